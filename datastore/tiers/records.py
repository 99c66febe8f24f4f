"""What two levels know of things: where they are, and what is or was to be done with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Engine, Row, Select, case, exists, func, literal_column, or_, select, tuple_

from datastore.model import UnsettledFile
from datastore.tiers.model import TierItem
from datastore.tiers.states import Operation, Request, Unit

T = TypeVar("T")

_KEYS_A_QUERY = 500
_UNDER_WAY = or_(TierItem.wanted.is_not(None), TierItem.running.is_not(None))
_ARCHIVED = (TierItem.in_archive, TierItem.unwritten.is_(False))
_OUT = [one for one in Request if "ARCHIVE" in one]


@dataclass(frozen=True, slots=True)
class Thing:
    """What is moved: a dataset, or a file.

    Attributes:
        key: The dataset's id in decimal, or the file's location.
        datafile_id: None for a dataset.
    """

    key: str
    dataset_id: int
    datafile_id: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a thing stands.

    Attributes:
        is_queued: Something is queued or running that may take it off the main storage.
        is_coming: A restore is queued or running.
        failure: Why the last restore failed; None if it did not.
    """

    in_main: bool
    is_queued: bool
    is_coming: bool
    failure: str | None

    @property
    def is_online(self) -> bool:
        """All of it is in the main storage, and stays there."""
        return self.in_main and not self.is_queued


@dataclass(frozen=True, slots=True)
class Share:
    """What one asker has in the queue.

    Attributes:
        asker: A catalog user name; empty for the service itself.
    """

    asker: str
    request: Request
    waiting: int
    running: int


IN_TURN = (TierItem.turn, TierItem.due, TierItem.key)
"""The order in which what is due is done."""

ABSENT = Standing(in_main=True, is_queued=False, is_coming=False, failure=None)


class Records:
    """Reads the table of things."""

    def __init__(self, engine: Engine, unit: Unit) -> None:
        self.unit = unit
        self._engine = engine

    def is_unsettled(self, dataset_id: int) -> bool:
        """Whether an upload or removal in a dataset has not come to its end."""
        query = select(exists().where(UnsettledFile.dataset_id == dataset_id))
        with self._engine.connect() as connection:
            return bool(connection.scalar(query))

    def standing(self, keys: Collection[str]) -> dict[str, Standing]:
        """How things stand; what is not among them never was on two levels: see ``ABSENT``."""
        found: dict[str, Standing] = {}
        for some in portions(sorted(keys)):
            query = select(
                TierItem.key,
                TierItem.in_main,
                TierItem.wanted,
                TierItem.running,
                TierItem.failed,
                TierItem.failure,
            ).where(TierItem.key.in_(some))
            with self._engine.connect() as connection:
                found |= {row.key: _standing(row) for row in connection.execute(query)}
        return found

    def under_way(self, at_most: int | None = None) -> list[tuple[Thing, Request]]:
        """What is queued or running, as one request for each thing: in turn, what runs first."""
        query = (
            select(TierItem)
            .where(_UNDER_WAY)
            .order_by(TierItem.running.is_(None), *IN_TURN)
            .limit(at_most)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query)
            return [(thing_of(row), Request(row.wanted or row.running)) for row in rows]

    def shares(self) -> list[Share]:
        """What everybody has in the queue, by asker and request."""
        request = func.coalesce(TierItem.wanted, TierItem.running)
        running = func.sum(case((TierItem.running.is_not(None), 1), else_=0))
        whose = (func.coalesce(TierItem.asker, literal_column("''")), request)
        query = (
            select(*whose, func.count(), running)
            .where(_UNDER_WAY)
            .group_by(*whose)
            .order_by(*whose)
        )
        with self._engine.connect() as connection:
            return [
                Share(asker, Request(request), count - running, running)
                for asker, request, count, running in connection.execute(query)
            ]

    def leaving(self) -> Iterator[str]:
        """The keys of what is on its way out of the main storage."""
        out = or_(TierItem.wanted.in_(_OUT), TierItem.running == Operation.ARCHIVE)
        yield from (row.key for row in self._paged(select(TierItem.key).where(out), TierItem.key))

    def _paged(self, query: Select[*tuple[Any, ...]], *order: Any) -> Iterator[Row[Any]]:
        """All rows, a few at a time, so that the memory has never many; ``order`` is unique."""
        last: Row[Any] | None = None
        while True:
            portion = query.order_by(*order).limit(_KEYS_A_QUERY)
            if last is not None:
                reached = (getattr(last, one.key) for one in order)
                types = [one.type for one in order]
                portion = portion.where(tuple_(*order) > tuple_(*reached, types=types))
            with self._engine.connect() as connection:
                rows = connection.execute(portion).all()
            yield from rows
            if len(rows) < _KEYS_A_QUERY:
                return
            last = rows[-1]

    def failures(self) -> list[tuple[Thing, Operation, str]]:
        """What was given up, and why."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(TierItem)
                .where(TierItem.failed.is_not(None))
                .order_by(TierItem.dataset_id, TierItem.key)
            )
            return [(thing_of(row), Operation(row.failed), row.failure or "") for row in rows]

    def longest_unused(self) -> Iterator[Thing]:
        """What can be archived, that was longest not used first."""
        columns = (TierItem.key, TierItem.dataset_id, TierItem.datafile_id, TierItem.touched)
        query = select(*columns).where(
            TierItem.in_main, TierItem.wanted.is_(None), TierItem.running.is_(None)
        )
        yield from (thing_of(row) for row in self._paged(query, TierItem.touched, TierItem.key))

    def is_kept(self, key: str) -> bool:
        """Whether the archive has all of a thing with which nothing is done just now."""
        query = select(TierItem.key).where(
            TierItem.key == key, *_ARCHIVED, TierItem.running.is_(None)
        )
        with self._engine.connect() as connection:
            return connection.scalar(query) is not None

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that two levels know of."""
        return set(self.standing(list(keys)))

    def archived_datasets(self, after: int, at_most: int) -> list[int]:
        """The next datasets of which the archive has something, in the order of their ids."""
        query = (
            select(TierItem.dataset_id)
            .where(*_ARCHIVED, TierItem.dataset_id > after)
            .order_by(TierItem.dataset_id)
            .distinct()
            .limit(at_most)
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def archived_of(self, dataset_id: int) -> list[tuple[Thing, int | None]]:
        """What the archive has of a dataset and is as it should be there, with the bytes."""
        own = TierItem.dataset_id == dataset_id
        query = select(TierItem).where(*_ARCHIVED, own).order_by(TierItem.key)
        with self._engine.connect() as connection:
            return [(thing_of(row), row.archive_bytes) for row in connection.execute(query)]


def portions(some: Iterable[T], at_most: int = _KEYS_A_QUERY) -> Iterator[list[T]]:
    """As many at a time as fit into a query."""
    left = iter(some)
    while portion := list(islice(left, at_most)):
        yield portion


def thing_of(row: Any) -> Thing:
    """The thing of a row."""
    return Thing(row.key, row.dataset_id, row.datafile_id)


def _standing(row: Any) -> Standing:
    requests = {*(str(row.wanted or "").split("_THEN_")), row.running}
    return Standing(
        in_main=row.in_main,
        is_queued=bool(requests & {Operation.ARCHIVE, Operation.RESTORE, Operation.DELETE}),
        is_coming=Operation.RESTORE in requests,
        failure=(row.failure or "") if row.failed == Operation.RESTORE else None,
    )
