"""The portal: search, forms, jobs and provenance."""
