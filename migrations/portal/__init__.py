"""Changes of the portal's tables."""
