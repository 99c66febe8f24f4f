"""Reading what Slurm's commands print."""
