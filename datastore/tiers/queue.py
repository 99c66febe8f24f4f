"""The queue of the two levels, in the database: every process sees the same, and none is needed.

A worker takes a request up for a while, which it extends as long as it lives. What a killed one
had taken up is queued again, so every operation can be done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)

from datastore.model import UtcDateTime
from datastore.tiers.model import TierItem
from datastore.tiers.outcomes import IDLE, Outcomes, Taken, held
from datastore.tiers.records import IN_TURN, Thing, portions, thing_of
from datastore.tiers.states import Operation, Request, Unit, combined, restarts_delay, resumed
from datastore.tiers.turns import Turns
from servicekit.database import writing
from servicekit.owner import is_dead

log = logging.getLogger(__name__)

MOST_TRIES = 5
_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 600.0
_LENIENCE = timedelta(minutes=1)

_ADD = text(
    "INSERT INTO tier_item (key, dataset_id, datafile_id, in_main, in_archive, unwritten, "
    "touched, serial, tries) VALUES (:key, :dataset_id, :datafile_id, true, false, true, "
    ":now, 0, 0) ON CONFLICT DO NOTHING"
).bindparams(bindparam("now", type_=UtcDateTime()))


class Queue(Outcomes):
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

    def request(self, things: Iterable[Thing], asked: Operation, asker: str = "") -> None:
        """Queue an operation, combined with what is queued already.

        Args:
            asker: The user for whom that is; none for the service itself, which is in turn too.
        """
        by_key = {thing.key: thing for thing in things}
        for keys in portions(sorted(by_key)):
            now = self.now()
            with writing(self._engine).begin() as connection:
                rows = [_row(by_key[key], now) for key in keys]
                connection.execute(_ADD, rows)
                turns = Turns(connection, asker, now)
                for row in _locked(connection, keys):
                    values = self._asked(connection, row, asked, by_key[row.key].datafile_id, now)
                    if values is not _GONE and turns.comes_sooner(row, values):
                        values = values | turns.take()
                    _apply(connection, row.key, values)

    def _asked(
        self,
        connection: Connection,
        row: Row[Any],
        asked: Operation,
        datafile_id: int | None,
        now: datetime,
    ) -> dict[str, Any]:
        """What changes in a row when that is asked for; ``_GONE`` if it is to be deleted."""
        queued = Request(row.wanted) if row.wanted else None
        if queued is None and row.running == asked == Operation.RESTORE:
            return {}
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
            return _GONE
        if wanted is not queued:
            values |= {"wanted": wanted, "tries": 0}
        if wanted is not queued or restarts_delay(self.unit, queued, asked):
            values["due"] = self._due(connection, queued, wanted, asked, row.due, now)
        return values

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
        """Take up what is due: one kind of operation, in turn; nothing if nothing is."""
        now = self.now()
        free = and_(TierItem.wanted.is_not(None), TierItem.due <= now, TierItem.running.is_(None))
        first = select(TierItem.wanted).where(free).order_by(*IN_TURN).limit(1)
        with self._engine.connect() as connection:
            wanted = connection.scalar(first)
        if wanted is None:
            return []
        alike = [one for one in Request if one.first is Request(wanted).first]
        query = (
            select(TierItem)
            .where(free, TierItem.wanted.in_(alike))
            .order_by(*IN_TURN)
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
            self._changed(update(TierItem).where(in_hand).values(until=self.now() + lease))

    def put_back(
        self, owner: str, taken: Taken, *, pause: timedelta = timedelta(), is_try: bool = False
    ) -> None:
        """Queue again what was taken up, not to be begun before a pause is over."""
        due = self.now() + pause
        with writing(self._engine).begin() as connection:
            for row in _locked(connection, [taken.thing.key], *held(owner, taken)):
                self._requeue(connection, row, due, row.tries + is_try)

    def recover(self) -> int:
        """Queue again what owners had taken up who do not live any more; gives how much."""
        now = self.now()
        self._follow_clock(now)
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

    def _follow_clock(self, now: datetime) -> None:
        """Begin now what would wait for longer than anything does: the clock was set back."""
        latest = now + max(self._delay, timedelta(seconds=_LONGEST_PAUSE_SECONDS)) + _LENIENCE
        waits = and_(TierItem.wanted.is_not(None), TierItem.due > latest)
        with self._engine.connect() as connection:
            if connection.scalar(select(TierItem.key).where(waits).limit(1)) is None:
                return
        self._changed(update(TierItem).where(waits).values(due=now))
        log.warning("the clock was set back: what waited for a later time is begun")

    def _requeue(self, connection: Connection, row: Row[Any], due: datetime, tries: int) -> None:
        queued = Request(row.wanted) if row.wanted else None
        wanted = resumed(Operation(row.running), queued)
        values = {"wanted": wanted, "due": due, "tries": tries, **IDLE}
        connection.execute(update(TierItem).where(TierItem.key == row.key).values(**values))

    def write_again(self) -> int:
        """Queue a write of all that is unwritten while nothing is queued; gives how much."""
        idle = and_(TierItem.wanted.is_(None), TierItem.running.is_(None), TierItem.unwritten)
        query = select(TierItem.key).where(idle, TierItem.in_main).order_by(TierItem.key)
        with self._engine.connect() as connection:
            keys = connection.scalars(query).all()
        done = 0
        for some in portions(keys):
            now = self.now()
            with writing(self._engine).begin() as connection:
                turns = Turns(connection, "", now)
                for row in _locked(connection, some, idle):
                    values = {"wanted": Request.WRITE, "due": now + self._delay, "tries": 0}
                    _apply(connection, row.key, values | turns.take())
                    done += 1
        return done


_GONE: dict[str, Any] = {"key": None}


def pause_after(tries: int) -> timedelta:
    """How long to wait after an operation has failed for the nth time in a row, from 0."""
    return timedelta(seconds=min(_FIRST_PAUSE_SECONDS * 4**tries, _LONGEST_PAUSE_SECONDS))


def _is_left(row: Row[Any], now: datetime) -> bool:
    return row.until is None or row.until < now or is_dead(row.owner)


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


def _apply(connection: Connection, key: str, values: dict[str, Any]) -> None:
    own = TierItem.key == key
    if values is _GONE:
        connection.execute(delete(TierItem).where(own))
    elif values:
        connection.execute(update(TierItem).where(own).values(**values))


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
