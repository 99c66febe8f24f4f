"""What became of things that were taken up, and what else is found out about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, Engine, Update, and_, case, delete, exists, or_, select, update

from datastore.clock import Clock
from datastore.model import UnsettledFile
from datastore.tiers.model import TierItem
from datastore.tiers.records import Records, Thing, portions
from datastore.tiers.states import Operation, Request, Unit
from servicekit.database import writing

_TOUCHED_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """A thing that a worker has taken up, as it was then."""

    thing: Thing
    operation: Operation
    serial: int
    tries: int
    in_main: bool
    in_archive: bool
    unwritten: bool
    archive_bytes: int | None
    archive_files: str | None

    @property
    def is_kept(self) -> bool:
        """The archive has all of it."""
        return self.in_archive and not self.unwritten


class Outcomes(Records):
    """Notes how operations ended; each end names its owner, who may have lost the thing.

    Attributes:
        now: The time of all processes.
    """

    def __init__(self, engine: Engine, unit: Unit) -> None:
        super().__init__(engine, unit)
        self.now = Clock(engine).now

    def holds(self, owner: str, taken: Taken) -> bool:
        """Whether what was taken up is still this owner's: it lived on in time."""
        query = select(TierItem.until).where(*held(owner, taken))
        with self._engine.connect() as connection:
            until = connection.scalar(query)
        return until is not None and until > self.now()

    def go_offline(self, owner: str, taken: Taken) -> bool:
        """Say that a thing is not in the main storage any more, before it is removed there.

        Gives:
            False if it must stay: the archive has not all of it, or an upload or removal in the
            dataset has not come to its end.
        """
        in_hand = exists().where(UnsettledFile.dataset_id == taken.thing.dataset_id)
        statement = (
            update(TierItem)
            .where(*held(owner, taken), TierItem.in_archive, TierItem.unwritten.is_(False))
            .where(~in_hand)
            .values(in_main=False)
        )
        return self._changed(statement)

    def written(self, owner: str, taken: Taken, size: int, files: str | None = None) -> bool:
        """Say that the archive has all that there was when the write was taken up."""
        return self._changed(
            self._ended(owner, taken).values(
                in_archive=True,
                archive_bytes=size,
                archive_files=files,
                unwritten=and_(TierItem.unwritten, TierItem.serial != taken.serial),
            )
        )

    def restored(self, owner: str, taken: Taken) -> bool:
        """Say that all of a thing is in the main storage."""
        return self._changed(self._ended(owner, taken).values(in_main=True, touched=self.now()))

    def done(self, owner: str, taken: Taken, **values: Any) -> bool:
        """Say that an operation has ended well."""
        return self._changed(self._ended(owner, taken).values(**values))

    def failed(self, owner: str, taken: Taken, why: str) -> None:
        """Give an operation up, for a reason that is shown; what stood behind it goes as well.

        Unless it is a restore that follows: that may go well whatever happened.
        """
        follows = case((TierItem.wanted == Request.ARCHIVE, None), else_=TierItem.wanted)
        statement = (
            update(TierItem)
            .where(*held(owner, taken))
            .values(**IDLE, wanted=follows, tries=0, failed=taken.operation, failure=why[:2000])
        )
        self._changed(statement)

    def forget(self, owner: str, taken: Taken) -> None:
        """Say that nothing of a thing is left on either level, so nothing of it can leave one."""
        gone = and_(*held(owner, taken))
        with writing(self._engine).begin() as connection:
            is_over = or_(TierItem.wanted.is_(None), TierItem.wanted == Request.ARCHIVE)
            none_follows = and_(gone, is_over)
            if not connection.execute(delete(TierItem).where(none_follows)).rowcount:
                anew: dict[str, Any] = {"in_main": True, "in_archive": False, "archive_bytes": None}
                connection.execute(
                    update(TierItem).where(gone).values(**IDLE, **anew, unwritten=True)
                )

    def lost(self, key: str) -> None:
        """Say that the archive has no good copy of a thing that is in the main storage."""
        statement = update(TierItem).where(TierItem.key == key, TierItem.in_main)
        self._changed(statement.values(in_archive=False, archive_bytes=None, unwritten=True))

    def reset(self, keys: Collection[str]) -> None:
        """Take failure marks away."""
        for some in portions(sorted(keys)):
            statement = update(TierItem).where(TierItem.key.in_(some))
            self._changed(statement.values(failed=None, failure=None))

    def touch(self, keys: Collection[str]) -> None:
        """Note that things are being read."""
        now = self.now()
        for some in portions(sorted(keys)):
            long_ago = TierItem.touched < now - _TOUCHED_AGAIN
            query = select(TierItem.key).where(TierItem.key.in_(some), long_ago)
            with self._engine.connect() as connection:
                old = connection.scalars(query).all()
            if old:
                self._changed(update(TierItem).where(TierItem.key.in_(old)).values(touched=now))

    def _ended(self, owner: str, taken: Taken) -> Update:
        marked = TierItem.failed == taken.operation
        return (
            update(TierItem)
            .where(*held(owner, taken))
            .values(
                **IDLE,
                tries=0,
                failed=case((marked, None), else_=TierItem.failed),
                failure=case((marked, None), else_=TierItem.failure),
            )
        )

    def _changed(self, statement: Update) -> bool:
        with writing(self._engine).begin() as connection:
            result: CursorResult[Any] = connection.execute(statement)
            return bool(result.rowcount)


IDLE: dict[str, Any] = {"running": None, "owner": None, "until": None}
"""The columns of a thing with which nothing is done."""


def held(owner: str, taken: Taken) -> list[Any]:
    """Conditions for the row of a thing that is still its owner's."""
    key = taken.thing.key
    return [TierItem.key == key, TierItem.owner == owner, TierItem.running == taken.operation]
