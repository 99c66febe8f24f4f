"""Dumps of the catalog in ICAT's format, version 1.0: to write them and to read them."""
