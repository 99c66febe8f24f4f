"""ICAT's SOAP interface."""
