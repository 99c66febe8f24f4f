"""Makes space: has the longest unused data archived when the main storage is too full.

What is in the storage is looked at as it is listed, and never all kept in memory: files are
looked for one after the other once it is known that some must go.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datastore.storage import Storage
from datastore.tiers.queue import Queue
from datastore.tiers.records import Thing, portions
from datastore.tiers.states import Operation, Unit
from ijp.errors import NotFoundError

log = logging.getLogger(__name__)


class Tidier:
    """Looks at how full the main storage is."""

    def __init__(
        self, queue: Queue, storage: Storage, start_bytes: int | None, stop_bytes: int | None
    ) -> None:
        """Begin to archive above one level, and go on to the other."""
        self._queue = queue
        self._storage = storage
        self._start_bytes = start_bytes
        self._stop_bytes = stop_bytes

    def run(self) -> int:
        """Ask that data go, if there are too many; gives for how many things it asked."""
        if self._start_bytes is None or self._stop_bytes is None:
            return 0
        found = self._in_main()
        if found.total < self._start_bytes:
            return 0
        # what is on its way out already goes first
        used = found.total - sum(map(found.size, self._queue.leaving()))
        asked = 0
        for some in portions(self._to_go(found, used - self._stop_bytes)):
            self._queue.request(some, Operation.ARCHIVE)
            asked += len(some)
        log.info("%d bytes in the main storage: %d things are to be archived", used, asked)
        return asked

    def _to_go(self, found: _InMain, surplus: int) -> Iterator[Thing]:
        """Things until so many bytes are gone; those that two levels never knew first."""
        for thing in self._candidates(found):
            if surplus <= 0:
                return
            if size := found.size(thing.key):
                surplus -= size
                yield thing

    def _candidates(self, found: _InMain) -> Iterator[Thing]:
        for some in portions(found.keys()):
            known = self._queue.known(some)
            yield from (self._thing(key) for key in some if key not in known)
        yield from self._queue.longest_unused()

    def _thing(self, key: str) -> Thing:
        if self._queue.unit is Unit.DATASET:
            return Thing(key, int(key))
        return Thing(key, self._storage.dataset_of(key))

    def _in_main(self) -> _InMain:
        if self._queue.unit is Unit.DATASET:
            return _Datasets(self._storage)
        return _Files(self._storage)


class _InMain(ABC):
    """What is in the main storage.

    Attributes:
        total: Its bytes.
    """

    total: int

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes of one thing; 0 if it is not there."""

    @abstractmethod
    def keys(self) -> Iterable[str]:
        """What is there."""


class _Datasets(_InMain):
    """By dataset, of which there are few."""

    def __init__(self, storage: Storage) -> None:
        self._sizes: dict[int, int] = {}
        for file in storage.kept():
            try:
                dataset_id = storage.dataset_of(file.location)
            except NotFoundError:
                continue
            self._sizes[dataset_id] = self._sizes.get(dataset_id, 0) + file.size
        self.total = sum(self._sizes.values())

    def size(self, key: str) -> int:
        return self._sizes.get(int(key), 0)

    def keys(self) -> Iterable[str]:
        return map(str, sorted(self._sizes))


@dataclass
class _Files(_InMain):
    """File by file, each looked at when it is its turn."""

    storage: Storage

    def __post_init__(self) -> None:
        self.total = sum(file.size for file in self.storage.kept())

    def size(self, key: str) -> int:
        try:
            return self.storage.size(key)
        except NotFoundError:
            return 0

    def keys(self) -> Iterable[str]:
        return (file.location for file in self.storage.kept())
