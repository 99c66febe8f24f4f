"""One module per area of the pages."""
