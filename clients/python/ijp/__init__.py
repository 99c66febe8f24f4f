"""Client library of the job portal, its catalog and its data service."""
