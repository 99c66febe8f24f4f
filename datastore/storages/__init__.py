"""The storages that come with the data service."""
