"""Changes of the portal's tables, in order."""
