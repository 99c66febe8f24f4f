"""What two levels know of things: where they are, and what is or was to be done with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, exists, or_, select

from datastore.model import UnsettledFile
from datastore.tiers.model import TierItem
from datastore.tiers.states import Operation, Request, Unit

_KEYS_A_QUERY = 500


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

    def under_way(self) -> list[tuple[Thing, Request]]:
        """All that is queued or running, as one request for each thing."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(TierItem)
                .where(or_(TierItem.wanted.is_not(None), TierItem.running.is_not(None)))
                .order_by(TierItem.dataset_id, TierItem.key)
            )
            return [(thing_of(row), Request(row.wanted or row.running)) for row in rows]

    def failures(self) -> list[tuple[Thing, Operation, str]]:
        """What was given up, and why."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(TierItem)
                .where(TierItem.failed.is_not(None))
                .order_by(TierItem.dataset_id, TierItem.key)
            )
            return [(thing_of(row), Operation(row.failed), row.failure or "") for row in rows]

    def longest_unused(self) -> list[Thing]:
        """What can be archived, that was longest not used first."""
        query = (
            select(TierItem.key, TierItem.dataset_id, TierItem.datafile_id)
            .where(TierItem.in_main, TierItem.wanted.is_(None), TierItem.running.is_(None))
            .order_by(TierItem.touched, TierItem.key)
        )
        with self._engine.connect() as connection:
            return [thing_of(row) for row in connection.execute(query)]

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that two levels know of."""
        return set(self.standing(list(keys)))

    def archived(self, after: int, at_most: int) -> list[tuple[Thing, int | None]]:
        """Datasets that the archive has, all of each, with the bytes; in the order of their ids."""
        if self.unit is not Unit.DATASET:
            return []
        query = (
            select(TierItem)
            .where(TierItem.in_archive, TierItem.unwritten.is_(False))
            .where(TierItem.dataset_id > after)
            .order_by(TierItem.dataset_id)
            .limit(at_most)
        )
        with self._engine.connect() as connection:
            return [(thing_of(row), row.archive_bytes) for row in connection.execute(query)]


def portions(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Keys, as many at a time as fit into a query."""
    return (keys[at : at + _KEYS_A_QUERY] for at in range(0, len(keys), _KEYS_A_QUERY))


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
