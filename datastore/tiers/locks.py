"""Locks on datasets, shared or exclusive, for all processes: rows that their owner keeps alive.

Nobody waits for a lock: who does not get it says that the data are busy. A process that is killed
renews its locks no more, and they end by themselves; on the same host at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from datastore.tiers.model import TierLock
from datastore.tiers.queue import Queue
from datastore.tiers.records import portions
from ijp.errors import DataNotOnlineError
from servicekit.database import writing
from servicekit.owner import is_dead, new_owner

log = logging.getLogger(__name__)

_TURNS = 64


@dataclass(frozen=True)
class LockCount:
    """How often a dataset is locked, as it is told to administrators."""

    dataset_id: int
    exclusive: bool
    count: int


class Hold:
    """Locks that one request or worker holds, until it is left or released."""

    def __init__(self, locks: Locks, ids: tuple[int, ...]) -> None:
        self._locks = locks
        self._ids = ids

    def release(self) -> None:
        """Give the locks back; a second time does nothing."""
        ids, self._ids = self._ids, ()
        if ids:
            self._locks.release(ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Locks:
    """The locks of one owner: a process, or a part of one.

    Attributes:
        owner: Its name, under which it also takes up work.
        lease: How long its locks and its work stay its own without being renewed.
    """

    def __init__(self, engine: Engine, queue: Queue, lease: timedelta) -> None:
        self.owner = new_owner()
        self.lease = lease
        self._engine = engine
        self._queue = queue
        self._held: set[int] = set()
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None
        self._starting = threading.Lock()

    def shared(self, dataset_ids: Collection[int]) -> Hold:
        """Keep datasets as they are.

        Raises:
            DataNotOnlineError: One of them is being changed.
        """
        return self._take(dataset_ids, exclusive=False)

    def exclusive(self, dataset_ids: Collection[int]) -> Hold:
        """Keep everybody else away from datasets.

        Raises:
            DataNotOnlineError: One of them is in use.
        """
        return self._take(dataset_ids, exclusive=True)

    def _take(self, dataset_ids: Collection[int], *, exclusive: bool) -> Hold:
        self.keep_alive()
        ids = sorted(set(dataset_ids))
        made: list[int] = []
        now = self._queue.now()
        with writing(self._engine).begin() as connection:
            _await_turn(connection, ids)
            for some in portions(ids):
                _drop_ended(connection, some, now)
                if (busy := _in_the_way(connection, some, exclusive=exclusive)) is not None:
                    raise DataNotOnlineError(
                        f"Data is busy: dataset {busy} is in use or being moved"
                    )
                row = {"exclusive": exclusive, "owner": self.owner, "until": now + self.lease}
                added = insert(TierLock).returning(TierLock.id)
                made += connection.scalars(added, [row | {"dataset_id": id} for id in some])
        self._held |= set(made)
        return Hold(self, tuple(made))

    def release(self, ids: Collection[int]) -> None:
        """Give locks back by the ids of their rows; what cannot be, ends with its time."""
        self._held -= set(ids)
        with writing(self._engine).begin() as connection:
            for some in portions(sorted(ids)):
                connection.execute(delete(TierLock).where(TierLock.id.in_(some)))

    def counts(self) -> list[LockCount]:
        """All owners' locks."""
        query = (
            select(TierLock.dataset_id, TierLock.exclusive, func.count())
            .where(TierLock.until > self._queue.now())
            .group_by(TierLock.dataset_id, TierLock.exclusive)
            .order_by(TierLock.dataset_id)
        )
        with self._engine.connect() as connection:
            return [LockCount(*row) for row in connection.execute(query)]

    def drop_ended(self) -> int:
        """Remove the locks of owners that have ended; gives how many there were."""
        now = self._queue.now()
        with writing(self._engine).begin() as connection:
            return _drop_ended(connection, None, now)

    def keep_alive(self) -> None:
        """Renew from now on, in a thread that ends with the process."""
        with self._starting:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="tier-locks", daemon=True)
                self._keeper.start()

    def stop(self) -> None:
        """Renew no more, and give everything back."""
        self._ended.set()
        if self._keeper is not None:
            self._keeper.join()
        with suppress(SQLAlchemyError), writing(self._engine).begin() as connection:
            connection.execute(delete(TierLock).where(TierLock.owner == self.owner))

    def _keep(self) -> None:
        while not self._ended.wait(self.lease.total_seconds() / 4):
            try:
                self._renew()
            except SQLAlchemyError:
                log.exception("locks could not be renewed; it is tried again")

    def _renew(self) -> None:
        if held := sorted(self._held):
            until = self._queue.now() + self.lease
            with writing(self._engine).begin() as connection:
                for some in portions(held):
                    own = update(TierLock).where(TierLock.id.in_(some))
                    connection.execute(own.values(until=until))
        self._queue.extend(self.owner, self.lease)


def _await_turn(connection: Connection, dataset_ids: Sequence[int]) -> None:
    """Let those who look for locks on a dataset do so one after the other.

    Many datasets share a turn: the database has room for some thousand such locks only.
    """
    if connection.dialect.name == "postgresql":
        for turn in sorted({id % _TURNS for id in dataset_ids}):
            number = func.hashtextextended("ijp dataset", turn)
            connection.execute(select(func.pg_advisory_xact_lock(number)))


def _in_the_way(
    connection: Connection, dataset_ids: Sequence[int], *, exclusive: bool
) -> int | None:
    """A dataset that cannot be locked now; None if all can."""
    query = select(TierLock.dataset_id).where(TierLock.dataset_id.in_(dataset_ids))
    if not exclusive:
        query = query.where(TierLock.exclusive)
    return connection.scalar(query.order_by(TierLock.dataset_id).limit(1))


def _drop_ended(connection: Connection, dataset_ids: Sequence[int] | None, now: datetime) -> int:
    query = select(TierLock.id, TierLock.owner, TierLock.until)
    if dataset_ids is not None:
        query = query.where(TierLock.dataset_id.in_(dataset_ids))
    rows = connection.execute(query).all()
    dead = {owner for owner in {row.owner for row in rows} if is_dead(owner)}
    ended = [row.id for row in rows if row.until < now or row.owner in dead]
    for some in portions(ended):
        connection.execute(delete(TierLock).where(TierLock.id.in_(some)))
    return len(ended)
