"""The authenticators that come with the catalog."""
