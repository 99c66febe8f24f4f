"""Change events: what was created or updated, and webhooks that are told of it."""
