"""The data service: IDS over pluggable storage."""
