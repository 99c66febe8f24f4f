"""How much an investigation and a user may store."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from datastore.pending import pending_bytes
from datastore.reader import ReaderAccount
from datastore.settings import Quota
from ijp.catalog import CatalogSession
from ijp.errors import TooLargeError
from ijp.query import query

_OF_INVESTIGATION = (
    "SELECT SUM(df.fileSize) FROM Datafile df WHERE df.dataset.investigation.id = {}"
)
_OF_USER = "SELECT SUM(df.fileSize) FROM Datafile df WHERE df.createId = {}"


@dataclass(frozen=True)
class Room:
    """What is left for one file.

    Attributes:
        bytes: None for no bound.
        whose: For whom, in the words of a refusal.
    """

    bytes: int | None
    whose: str = ""

    def check(self, size: int) -> None:
        """Refuse a file of this size, or of more.

        Raises:
            TooLargeError: It does not fit; says for whom, how much there may be and is left.
        """
        if self.bytes is not None and size > self.bytes:
            left = max(0, self.bytes)
            raise TooLargeError(f"{self.whose}; {left} bytes are left, this needs {size} or more")


UNBOUNDED = Room(None)


class Quotas:
    """Asks the catalog how much there is, with the reader account if there is one.

    Without one, what the asking user cannot see does not count.
    """

    def __init__(self, quota: Quota, engine: Engine, reader: ReaderAccount | None) -> None:
        self._quota = quota
        self._engine = engine
        self._reader = reader

    def room(self, session: CatalogSession, investigation_id: int) -> Room:
        """The room for one more file of the session's user in an investigation."""
        if self._quota == Quota():
            return UNBOUNDED
        rooms = []
        asking = self._reader.session() if self._reader else session
        if (most := self._quota.investigation_bytes) is not None:
            used = _sum(asking, query(_OF_INVESTIGATION, investigation_id))
            used += pending_bytes(self._engine, investigation_id=investigation_id)
            whose = f"investigation {investigation_id} may have {most} bytes"
            rooms.append(Room(most - used, whose))
        if (most := self._quota.user_bytes) is not None:
            name = session.user_name()
            used = _sum(asking, query(_OF_USER, name))
            used += pending_bytes(self._engine, user_name=name)
            rooms.append(Room(most - used, f"{name} may store {most} bytes"))
        return min(rooms, key=lambda one: one.bytes or 0, default=UNBOUNDED)


def _sum(session: CatalogSession, text: str) -> int:
    found = session.search(text)
    return int(found[0] or 0) if found else 0
