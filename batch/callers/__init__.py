"""What engines start to call Python code that knows a batch system (``batch.calling``)."""
