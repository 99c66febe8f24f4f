"""The REST interface ``/api/v1``: a module for each kind of thing."""
