"""Reading what LSF's commands print."""
