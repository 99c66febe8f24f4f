"""Changes of the data service's tables."""
