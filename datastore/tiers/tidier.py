"""Makes space: has the longest unused data archived when the main storage is too full."""

from __future__ import annotations

import logging

from datastore.storage import Storage
from datastore.tiers.queue import Queue
from datastore.tiers.records import Thing
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
        sizes = self._sizes()
        used = sum(sizes.values())
        if used < self._start_bytes:
            return 0
        # what is on its way out already goes first
        leaving = {thing.key for thing, request in self._queue.under_way() if "ARCHIVE" in request}
        used -= sum(sizes.pop(key, 0) for key in leaving)
        chosen: list[Thing] = []
        for thing in self._longest_unused(sizes):
            if used <= self._stop_bytes:
                break
            used -= sizes[thing.key]
            chosen.append(thing)
        self._queue.request(chosen, Operation.ARCHIVE)
        log.info("%d bytes in the main storage: %d things are to be archived", used, len(chosen))
        return len(chosen)

    def _sizes(self) -> dict[str, int]:
        """Bytes in the main storage by key."""
        sizes: dict[str, int] = {}
        for file in self._storage.kept():
            key = self._key(file.location)
            if key is not None:
                sizes[key] = sizes.get(key, 0) + file.size
        return sizes

    def _key(self, location: str) -> str | None:
        if self._queue.unit is Unit.DATAFILE:
            return location
        try:
            return str(self._storage.dataset_of(location))
        except NotFoundError:
            return None

    def _longest_unused(self, sizes: dict[str, int]) -> list[Thing]:
        """Things that have bytes in the main storage; those that two levels never knew first."""
        known = {thing.key: thing for thing in self._queue.longest_unused()}
        unknown = sorted(sizes.keys() - known.keys() - self._queue.known(sizes))
        new = [self._thing(key) for key in unknown]
        return [*new, *(thing for key, thing in known.items() if key in sizes)]

    def _thing(self, key: str) -> Thing:
        if self._queue.unit is Unit.DATASET:
            return Thing(key, int(key))
        return Thing(key, self._storage.dataset_of(key))
