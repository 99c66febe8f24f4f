"""How much an investigation and a user may store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Engine

from datastore.alive import Alive
from datastore.pending import pending_bytes
from datastore.reader import ReaderAccount
from datastore.reservations import Reservations
from datastore.settings import Quota
from ijp.catalog import CatalogSession
from ijp.errors import TooLargeError
from ijp.query import query

_OF_INVESTIGATION = (
    "SELECT SUM(df.fileSize) FROM Datafile df WHERE df.dataset.investigation.id = {}"
)
_OF_USER = "SELECT SUM(df.fileSize) FROM Datafile df WHERE df.createId = {}"


@dataclass(frozen=True)
class _Bound:
    """One quota, in the words of a refusal, and what counts against it.

    Attributes:
        used: Given an own reservation, the bytes that others have or have kept before it.
    """

    most: int
    whose: str
    used: Callable[[int], int]

    def check(self, reservation: int, own: int, size: int) -> None:
        """Refuse an upload of this size, of which ``own`` bytes were admitted before."""
        left = self.most - (self.used(reservation) - own)
        if size > left:
            # What was registered while this was summed up may have counted twice.
            left = self.most - (self.used(reservation) - own)
        if size > left:
            left = max(0, left)
            raise TooLargeError(f"{self.whose}; {left} bytes are left, this needs {size} or more")


class Room:
    """What one upload may take. What was checked is kept free for it until this is left."""

    def __init__(
        self,
        bounds: Sequence[_Bound] = (),
        reserve: Callable[[int], int] = lambda _: 0,
        free: Callable[[list[int]], None] = lambda _: None,
    ) -> None:
        self._bounds = bounds
        self._reserve = reserve
        self._free = free
        self._kept: list[int] = []
        self._size = 0

    def check(self, size: int) -> None:
        """Keep as many bytes in all; those that were checked before are among them.

        Raises:
            TooLargeError: They do not fit; says for whom, how much there may be and is left.
        """
        more = size - self._size
        if not self._bounds or more <= 0:
            return
        reservation = self._reserve(more)
        try:
            for bound in self._bounds:
                bound.check(reservation, self._size, size)
        except BaseException:
            self._free([reservation])
            raise
        self._kept.append(reservation)
        self._size = size

    def release(self) -> None:
        """Keep nothing any more: what was stored is in the catalog, or nothing was."""
        kept, self._kept, self._size = self._kept, [], 0
        if kept:
            self._free(kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


UNBOUNDED = Room()


class Quotas:
    """Asks the catalog how much there is, with the reader account if there is one.

    Without one, what the asking user cannot see does not count.
    """

    def __init__(self, quota: Quota, engine: Engine, reader: ReaderAccount | None) -> None:
        self._quota = quota
        self._engine = engine
        self._reader = reader
        self._reservations = Reservations(engine, Alive(engine))

    def room(self, session: CatalogSession, investigation_id: int) -> Room:
        """The room for one upload of the session's user into an investigation."""
        if self._quota == Quota():
            return UNBOUNDED
        user_name = session.user_name()
        bounds = []
        if (most := self._quota.investigation_bytes) is not None:
            whose = f"investigation {investigation_id} may have {most} bytes"
            text = query(_OF_INVESTIGATION, investigation_id)
            bounds.append(
                _Bound(most, whose, self._used(session, text, investigation_id=investigation_id))
            )
        if (most := self._quota.user_bytes) is not None:
            whose = f"{user_name} may store {most} bytes"
            text = query(_OF_USER, user_name)
            bounds.append(_Bound(most, whose, self._used(session, text, user_name=user_name)))
        return Room(
            bounds,
            lambda size: self._reservations.add(user_name, investigation_id, size),
            self._reservations.free,
        )

    def _used(
        self,
        session: CatalogSession,
        text: str,
        *,
        user_name: str = "",
        investigation_id: int = 0,
    ) -> Callable[[int], int]:
        whose = {"user_name": user_name, "investigation_id": investigation_id}

        def used(reservation: int) -> int:
            # What is stored goes from one to the next of these; it counts at least once.
            kept = self._reservations.before(reservation, **whose)  # type: ignore[arg-type]
            pending = pending_bytes(self._engine, **whose)  # type: ignore[arg-type]
            asking = self._reader.session() if self._reader else session
            return kept + pending + _sum(asking, text)

        return used


def _sum(session: CatalogSession, text: str) -> int:
    found = session.search(text)
    return int(found[0] or 0) if found else 0
