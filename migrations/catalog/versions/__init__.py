"""Changes of the catalog's tables, in order."""
