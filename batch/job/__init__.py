"""What runs on the node: started by the batch system's job script, standard library only."""
