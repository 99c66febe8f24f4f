"""Two levels of storage: data move between the main storage and an archive behind it."""
