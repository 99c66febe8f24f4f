"""The query language: text to tree to one SQL statement."""
