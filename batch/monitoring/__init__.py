"""What else than the batch system knows of the hosts that run jobs: Ganglia, Prometheus."""
