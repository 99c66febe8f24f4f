"""Where data are, for pages: on disk, in the archive, or on their way between."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ijp.datastore import DatastoreClient, Selection
from ijp.errors import InternalError, PortalError
from portal.sessions import User

log = logging.getLogger(__name__)

FAILED = "FAILED"


@dataclass(frozen=True)
class Place:
    """Where data are.

    Attributes:
        status: ``ONLINE``, ``RESTORING``, ``ARCHIVED``, or ``FAILED``.
        reason: Why they could not be restored.
    """

    status: str
    reason: str = ""

    @property
    def can_restore(self) -> bool:
        """Whether it is of use to ask for them."""
        return self.status in ("ARCHIVED", FAILED)


def place_of(datastore: DatastoreClient, user: User, selection: Selection) -> Place | None:
    """Where a selection is; None where there is no archive, or nobody can say."""
    try:
        if not selection.wire() or not datastore.is_two_level():
            return None
        return Place(datastore.session(user.session_id).status(selection))
    except InternalError as error:
        return Place(FAILED, error.message)
    except PortalError as error:
        log.info("where data are is not known: %s", error.message)
        return None


def restore(datastore: DatastoreClient, user: User, selection: Selection) -> None:
    """Ask for a selection, and forget that it could not be restored before.

    Raises:
        PortalError: The data service refuses.
    """
    datastore.session(user.session_id).prepare(selection)
