"""The catalog service: ICAT 6.2 over SQLAlchemy."""
