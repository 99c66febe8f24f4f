"""Data to take away: an address from which the data service delivers a selection."""

from __future__ import annotations

from urllib.parse import urlsplit

from ijp.datastore import DatastoreClient
from portal.settings import PortalSettings


def address(
    client: DatastoreClient, settings: PortalSettings, prepared_id: str, name: str = ""
) -> str:
    """Where it can be downloaded; a service inside this process is served at the public URL."""
    url = client.prepared_url(prepared_id, name)
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".embedded"):
        return url
    return f"{settings.public_url.rstrip('/')}{parts.path}?{parts.query}"
