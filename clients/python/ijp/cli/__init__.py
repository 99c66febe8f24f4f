"""The command ``ijp``."""
