"""The queue of the two levels, in the database: every process sees the same, and none is needed.

A worker takes a request up for a while, which it extends as long as it lives. What a killed one
had taken up is queued again, so every operation can be done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Row,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    text,
    update,
)

from datastore.model import UnsettledFile, UtcDateTime
from datastore.tiers.model import TierItem
from datastore.tiers.owner import is_dead
from datastore.tiers.records import Records, Thing, portions, thing_of
from datastore.tiers.states import Operation, Request, Unit, combined, restarts_delay, resumed
from servicekit.database import writing

log = logging.getLogger(__name__)

MOST_TRIES = 5
_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 600.0
_TOUCHED_AGAIN = timedelta(hours=1)

_ADD = text(
    "INSERT INTO tier_item (key, dataset_id, datafile_id, in_main, in_archive, unwritten, "
    "touched, serial, tries) VALUES (:key, :dataset_id, :datafile_id, true, false, true, "
    ":now, 0, 0) ON CONFLICT DO NOTHING"
).bindparams(bindparam("now", type_=UtcDateTime()))


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


class Queue(Records):
    """What is asked for, what is being done, and where everything is."""

    def __init__(self, engine: Engine, unit: Unit, delay: timedelta) -> None:
        """Work on the tables.

        Args:
            delay: How long a dataset's write waits after its last change; for files, how long
                requests are collected after the first one.
        """
        super().__init__(engine, unit)
        self._delay = delay
        self._in_hand: set[str] = set()

    def request(self, things: Iterable[Thing], asked: Operation) -> None:
        """Queue an operation, combined with what is queued already."""
        by_key = {thing.key: thing for thing in things}
        for keys in portions(sorted(by_key)):
            with writing(self._engine).begin() as connection:
                now = _now()
                rows = [_row(by_key[key], now) for key in keys]
                connection.execute(_ADD, rows)
                for row in _locked(connection, keys):
                    self._ask(connection, row, asked, by_key[row.key].datafile_id, now)

    def _ask(
        self,
        connection: Connection,
        row: Row[Any],
        asked: Operation,
        datafile_id: int | None,
        now: datetime,
    ) -> None:
        queued = Request(row.wanted) if row.wanted else None
        if queued is None and row.running == asked == Operation.RESTORE:
            return
        values: dict[str, Any] = {}
        if row.datafile_id is None and datafile_id is not None:
            values["datafile_id"] = datafile_id
        wanted = combined(self.unit, queued, asked)
        if asked is Operation.WRITE:
            values["serial"] = row.serial + 1
            if row.in_main:
                values["unwritten"] = True
            elif wanted is Request.WRITE:
                wanted = Request.RESTORE_THEN_WRITE
        elif asked is Operation.DELETE and (row.in_archive or row.running):
            wanted = Request.DELETE
        elif asked is Operation.RESTORE and wanted is None and not row.in_main:
            wanted = Request.RESTORE
        if wanted is None and asked is Operation.DELETE:
            connection.execute(delete(TierItem).where(TierItem.key == row.key))
            return
        if wanted is not queued:
            values |= {"wanted": wanted, "tries": 0}
        if wanted is not queued or restarts_delay(self.unit, queued, asked):
            values["due"] = self._due(connection, queued, wanted, asked, row.due, now)
        if values:
            connection.execute(update(TierItem).where(TierItem.key == row.key).values(**values))

    def _due(
        self,
        connection: Connection,
        queued: Request | None,
        wanted: Request | None,
        asked: Operation,
        due: datetime | None,
        now: datetime,
    ) -> datetime | None:
        if wanted is None:
            return None
        if self.unit is Unit.DATAFILE:
            # what is asked for while others wait goes with them
            opened = select(func.min(TierItem.due)).where(
                TierItem.wanted.is_not(None), TierItem.due > now
            )
            first = connection.scalar(opened)
            return min(first, now + self._delay) if first else now + self._delay
        if restarts_delay(self.unit, queued, asked) and wanted is not Request.RESTORE_THEN_WRITE:
            return now + self._delay
        if wanted.first is Operation.WRITE and queued is not None and due is not None:
            return due
        return now

    def take(self, owner: str, lease: timedelta, at_most: int) -> list[Taken]:
        """Take up what is due: one kind of operation, oldest first; nothing if nothing is."""
        now = _now()
        free = and_(TierItem.wanted.is_not(None), TierItem.due <= now, TierItem.running.is_(None))
        first = select(TierItem.wanted).where(free).order_by(TierItem.due, TierItem.key).limit(1)
        with self._engine.connect() as connection:
            wanted = connection.scalar(first)
        if wanted is None:
            return []
        alike = [one for one in Request if one.first is Request(wanted).first]
        query = (
            select(TierItem)
            .where(free, TierItem.wanted.in_(alike))
            .order_by(TierItem.due, TierItem.key)
            .limit(at_most)
            .with_for_update(skip_locked=True)
        )
        with writing(self._engine).begin() as connection:
            rows = connection.execute(query).all()
            for row in rows:
                request = Request(row.wanted)
                values: dict[str, Any] = {
                    "running": request.first,
                    "wanted": request.rest,
                    "due": None if request.rest is None else now,
                    "owner": owner,
                    "until": now + lease,
                }
                if request.rest is Request.WRITE:
                    values["due"] = now + self._delay
                connection.execute(update(TierItem).where(TierItem.key == row.key).values(**values))
        self._in_hand |= {row.key for row in rows}
        return [_taken(row) for row in rows]

    def let_go(self, some: Iterable[Taken]) -> None:
        """Extend the time of these no more: what has not ended is taken up again after it."""
        self._in_hand -= {one.thing.key for one in some}

    def extend(self, owner: str, lease: timedelta) -> None:
        """Say that an owner still works on what it has in hand."""
        own = and_(TierItem.owner == owner, TierItem.running.is_not(None))
        for some in portions(sorted(self._in_hand)):
            in_hand = and_(own, TierItem.key.in_(some))
            self._changed(update(TierItem).where(in_hand).values(until=_now() + lease))

    def holds(self, owner: str, taken: Taken) -> bool:
        """Whether what was taken up is still this owner's: it lived on in time."""
        query = select(TierItem.until).where(*_held(owner, taken))
        with self._engine.connect() as connection:
            until = connection.scalar(query)
        return until is not None and until > _now()

    def put_back(
        self, owner: str, taken: Taken, *, pause: timedelta = timedelta(), is_try: bool = False
    ) -> None:
        """Queue again what was taken up, not to be begun before a pause is over."""
        with writing(self._engine).begin() as connection:
            for row in _locked(connection, [taken.thing.key], *_held(owner, taken)):
                self._requeue(connection, row, _now() + pause, row.tries + is_try)

    def recover(self) -> int:
        """Queue again what owners had taken up who do not live any more; gives how much."""
        now = _now()
        running = select(TierItem).where(TierItem.running.is_not(None))
        with self._engine.connect() as connection:
            left = [row.key for row in connection.execute(running) if _is_left(row, now)]
        if not left:
            return 0
        query = running.where(TierItem.key.in_(left)).with_for_update(skip_locked=True)
        with writing(self._engine).begin() as connection:
            rows = [row for row in connection.execute(query).all() if _is_left(row, now)]
            for row in rows:
                log.warning("%s of %s had not ended; it is done again", row.running, row.key)
                self._requeue(connection, row, now, row.tries)
        return len(rows)

    def _requeue(self, connection: Connection, row: Row[Any], due: datetime, tries: int) -> None:
        queued = Request(row.wanted) if row.wanted else None
        wanted = resumed(Operation(row.running), queued)
        values = {"wanted": wanted, "due": due, "tries": tries, **_IDLE}
        connection.execute(update(TierItem).where(TierItem.key == row.key).values(**values))

    def go_offline(self, owner: str, taken: Taken) -> bool:
        """Say that a thing is not in the main storage any more, before it is removed there.

        Gives:
            False if it must stay: the archive has not all of it, or an upload or removal in the
            dataset has not come to its end.
        """
        in_hand = exists().where(UnsettledFile.dataset_id == taken.thing.dataset_id)
        statement = (
            update(TierItem)
            .where(*_held(owner, taken), TierItem.in_archive, TierItem.unwritten.is_(False))
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
        return self._changed(self._ended(owner, taken).values(in_main=True, touched=_now()))

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
            .where(*_held(owner, taken))
            .values(**_IDLE, wanted=follows, tries=0, failed=taken.operation, failure=why[:2000])
        )
        self._changed(statement)

    def forget(self, owner: str, taken: Taken) -> None:
        """Say that nothing of a thing is left on either level."""
        gone = and_(*_held(owner, taken))
        with writing(self._engine).begin() as connection:
            none_follows = and_(gone, TierItem.wanted.is_(None))
            if not connection.execute(delete(TierItem).where(none_follows)).rowcount:
                anew: dict[str, Any] = {"in_main": True, "in_archive": False, "archive_bytes": None}
                connection.execute(
                    update(TierItem).where(gone).values(**_IDLE, **anew, unwritten=True)
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

    def write_again(self) -> int:
        """Queue a write of all that is unwritten while nothing is queued; gives how much."""
        idle = and_(TierItem.wanted.is_(None), TierItem.running.is_(None), TierItem.unwritten)
        statement = update(TierItem).where(idle, TierItem.in_main)
        with writing(self._engine).begin() as connection:
            values = {"wanted": Request.WRITE, "due": _now() + self._delay, "tries": 0}
            return int(connection.execute(statement.values(**values)).rowcount)

    def touch(self, keys: Collection[str]) -> None:
        """Note that things are being read."""
        now = _now()
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
            .where(*_held(owner, taken))
            .values(
                **_IDLE,
                tries=0,
                failed=case((marked, None), else_=TierItem.failed),
                failure=case((marked, None), else_=TierItem.failure),
            )
        )

    def _changed(self, statement: Update) -> bool:
        with writing(self._engine).begin() as connection:
            result: CursorResult[Any] = connection.execute(statement)
            return bool(result.rowcount)


_IDLE: dict[str, Any] = {"running": None, "owner": None, "until": None}


def pause_after(tries: int) -> timedelta:
    """How long to wait after an operation has failed for the nth time in a row, from 0."""
    return timedelta(seconds=min(_FIRST_PAUSE_SECONDS * 4**tries, _LONGEST_PAUSE_SECONDS))


def _now() -> datetime:
    return datetime.now(UTC)


def _is_left(row: Row[Any], now: datetime) -> bool:
    return row.until is None or row.until < now or is_dead(row.owner)


def _held(owner: str, taken: Taken) -> list[Any]:
    key = taken.thing.key
    return [TierItem.key == key, TierItem.owner == owner, TierItem.running == taken.operation]


def _row(thing: Thing, now: datetime) -> dict[str, object]:
    return {
        "key": thing.key,
        "dataset_id": thing.dataset_id,
        "datafile_id": thing.datafile_id,
        "now": now,
    }


def _locked(connection: Connection, keys: Sequence[str], *more: Any) -> Sequence[Row[Any]]:
    query = select(TierItem).where(TierItem.key.in_(keys), *more)
    return connection.execute(query.order_by(TierItem.key).with_for_update()).all()


def _taken(row: Row[Any]) -> Taken:
    return Taken(
        thing=thing_of(row),
        operation=Request(row.wanted).first,
        serial=row.serial,
        tries=row.tries,
        in_main=row.in_main,
        in_archive=row.in_archive,
        unwritten=row.unwritten,
        archive_bytes=row.archive_bytes,
        archive_files=row.archive_files,
    )
