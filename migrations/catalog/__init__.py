"""Changes of the catalog's tables."""
