"""Data to take away: an address from which the data service delivers a selection."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ijp import datastore
from ijp.datastore import DatastoreClient
from ijp.errors import BadRequestError, NotAuthorizedError, NotFoundError
from portal.selection import Selection
from portal.sessions import User
from portal.settings import PortalSettings


@dataclass(frozen=True)
class Prepared:
    """A selection that can be downloaded by whoever knows its address.

    Attributes:
        url: Absolute, for any program.
        is_ready: Everything is on disk now; else it is being brought back.
    """

    id: str
    url: str
    is_ready: bool

    @property
    def state(self) -> str:
        """As the REST interface has it."""
        return "ONLINE" if self.is_ready else "RESTORING"


def prepare(
    client: DatastoreClient,
    settings: PortalSettings,
    user: User,
    selection: Selection,
) -> Prepared:
    """Make a selection downloadable without a session.

    Raises:
        BadRequestError: Nothing is selected.
        NotFoundError: Something of it is not there, or not for this user.
    """
    if not len(selection):
        raise BadRequestError("nothing is selected to download")
    chosen = datastore.Selection((), selection.dataset_ids, selection.datafile_ids)
    try:
        id = client.session(user.session_id).prepare(chosen)
    except (NotFoundError, NotAuthorizedError):
        text = "something of what is selected is not there, or not for your account"
        raise NotFoundError(text) from None
    return Prepared(id, address(client, settings, id), client.is_prepared(id))


def address(
    client: DatastoreClient, settings: PortalSettings, prepared_id: str, name: str = ""
) -> str:
    """Where it can be downloaded; a service inside this process is served at the public URL."""
    url = client.prepared_url(prepared_id, name)
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".embedded"):
        return url
    return f"{settings.public_url.rstrip('/')}{parts.path}?{parts.query}"
