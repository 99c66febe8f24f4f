"""HTCondor: writing its submit descriptions, reading what its commands print."""
