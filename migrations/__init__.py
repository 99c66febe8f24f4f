"""Changes of the services' tables."""
