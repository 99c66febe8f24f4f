"""Reading what the commands and records of PBS systems say: Torque and OpenPBS."""
