"""Where data are, for the calls of the interface: on one level, or on two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from datastore.selection import SelectedDatafile
from datastore.storage import Storage
from datastore.tiers.locks import LockCount, Locks
from datastore.tiers.queue import Queue
from datastore.tiers.records import ABSENT, Share, Standing, Thing
from datastore.tiers.states import Operation, Request, Unit
from ijp.errors import (
    DataNotOnlineError,
    InternalError,
    NotFoundError,
    NotImplementedHereError,
)

_ONE_LEVEL = "This operation is unavailable for single level storage"


class Status(StrEnum):
    """Where a selection is: the least available of its parts decides."""

    ONLINE = "ONLINE"
    RESTORING = "RESTORING"
    ARCHIVED = "ARCHIVED"


class Held(Protocol):
    """Data that stay as they are until this is released."""

    def release(self) -> None:
        """Let others move and change them."""


MOST_TOLD = 1000


@dataclass(frozen=True)
class Overview:
    """What goes on, for administrators.

    Attributes:
        under_way: What runs, and what is next; ``MOST_TOLD`` of them.
        shares: How many there are in all, by who asked.
    """

    under_way: Sequence[tuple[Thing, Request]] = ()
    locks: Sequence[LockCount] = ()
    failures: Sequence[tuple[Thing, Operation, str]] = ()
    shares: Sequence[Share] = ()


class Levels:
    """One level: everything is online, and nothing is to be locked.

    Who may ask for what has been decided before.
    """

    is_two: ClassVar[bool] = False

    def status(self, datafiles: Sequence[SelectedDatafile]) -> Status:
        """Where datafiles are; nothing begins by asking.

        Raises:
            InternalError: The last restore of one has failed.
        """
        return Status.ONLINE

    def prepare(self, datafiles: Sequence[SelectedDatafile]) -> None:
        """Forget failures, and bring back what is not online."""

    def is_ready(self, datafiles: Sequence[SelectedDatafile]) -> bool:
        """Whether all are online; what is not is brought back.

        Raises:
            InternalError: The last restore of one has failed.
        """
        return True

    def online(self, datafiles: Sequence[SelectedDatafile]) -> int:
        """How many of them are online."""
        return len(datafiles)

    def archive(self, datafiles: Sequence[SelectedDatafile]) -> None:
        """Ask that datafiles leave the main storage.

        Raises:
            NotImplementedHereError: There is one level only; so for ``restore`` and ``write``.
        """
        raise NotImplementedHereError(_ONE_LEVEL)

    def restore(self, datafiles: Sequence[SelectedDatafile]) -> None:
        """Ask that datafiles come back to the main storage."""
        raise NotImplementedHereError(_ONE_LEVEL)

    def write(self, datafiles: Sequence[SelectedDatafile]) -> None:
        """Ask that the archive gets a new copy of datafiles.

        Raises:
            DataNotOnlineError: Not all of them are in the main storage; nothing is restored.
        """
        raise NotImplementedHereError(_ONE_LEVEL)

    def reset(self, datafiles: Sequence[SelectedDatafile]) -> None:
        """Forget failures."""

    def reading(self, datafiles: Sequence[SelectedDatafile]) -> Held:
        """Keep datafiles where they are while they are read.

        Raises:
            DataNotOnlineError: One is not online, and has been asked for; or is being moved.
        """
        return _NOTHING_HELD

    def adding(self, dataset_id: int) -> AbstractContextManager[object]:
        """Keep a dataset where it is while a file is added.

        Raises:
            DataNotOnlineError: It is not online, and has been asked for; or is being moved.
        """
        return nullcontext()

    def removing(self, datafiles: Sequence[SelectedDatafile]) -> AbstractContextManager[object]:
        """Keep everybody away from the datasets of datafiles that are deleted.

        Raises:
            DataNotOnlineError: One is not online, and has been asked for; or is in use.
        """
        return nullcontext()

    def changed(self, files: Mapping[str, int], gone: Collection[str]) -> None:
        """Have the archive follow what happened in the main storage.

        Args:
            files: By location of files that were added or removed, their dataset's id.
            gone: Those of them of which the content was removed.
        """

    def damaged(self, datafile: SelectedDatafile) -> None:
        """Have a content that is missing or damaged in the main storage restored.

        Raises:
            DataNotOnlineError: That is so; else nothing can be done.
        """

    def overview(self) -> Overview:
        """What goes on."""
        return Overview()


class _NothingHeld:
    def release(self) -> None:
        pass


_NOTHING_HELD = _NothingHeld()


class TwoLevels(Levels):
    """A main storage with an archive behind it."""

    is_two = True

    def __init__(
        self,
        queue: Queue,
        locks: Locks,
        storage: Storage,
        *,
        can_write: bool,
        asker: Callable[[], str] = lambda: "",
    ) -> None:
        """Take the queue and locks.

        Args:
            can_write: Whether ``write`` is offered.
            asker: Gives the user for whom this is called.
        """
        self._asker = asker
        self._storage = storage
        self._queue = queue
        self._locks = locks
        self._can_write = can_write

    def status(self, datafiles: Sequence[SelectedDatafile]) -> Status:
        standings = self._standings(datafiles)
        if all(one.is_online for one in standings.values()):
            return Status.ONLINE
        away = (one for one in standings.values() if not one.is_online)
        return Status.RESTORING if all(one.is_coming for one in away) else Status.ARCHIVED

    def prepare(self, datafiles: Sequence[SelectedDatafile]) -> None:
        self.reset(datafiles)
        self._bring_back(datafiles)

    def is_ready(self, datafiles: Sequence[SelectedDatafile]) -> bool:
        self._standings(datafiles)
        return not self._bring_back(datafiles)

    def online(self, datafiles: Sequence[SelectedDatafile]) -> int:
        away = {thing.key for thing in self._away(datafiles)}
        if self._queue.unit is Unit.DATASET:
            return sum(str(one.dataset_id) not in away for one in datafiles)
        return sum(one.location not in away for one in datafiles)

    def archive(self, datafiles: Sequence[SelectedDatafile]) -> None:
        self._queue.request(self._things(datafiles), Operation.ARCHIVE, self._asker())

    def restore(self, datafiles: Sequence[SelectedDatafile]) -> None:
        self._bring_back(datafiles)

    def write(self, datafiles: Sequence[SelectedDatafile]) -> None:
        if not self._can_write:
            raise NotImplementedHereError("This operation has been configured to be unavailable")
        with self._locks.shared(_datasets(datafiles)):
            if self._away(datafiles):
                raise DataNotOnlineError("not all of it is in the main storage")
            self._queue.request(self._things(datafiles), Operation.WRITE, self._asker())

    def reset(self, datafiles: Sequence[SelectedDatafile]) -> None:
        self._queue.reset([thing.key for thing in self._things(datafiles)])

    def reading(self, datafiles: Sequence[SelectedDatafile]) -> Held:
        held = self._locks.shared(_datasets(datafiles))
        try:
            self._require_online(datafiles)
            self._queue.touch([thing.key for thing in self._things(datafiles)])
        except BaseException:
            held.release()
            raise
        return held

    @contextmanager
    def adding(self, dataset_id: int) -> Iterator[None]:
        with self._locks.shared([dataset_id]):
            if self._queue.unit is Unit.DATASET:
                self._require([Thing(str(dataset_id), dataset_id)])
            yield

    @contextmanager
    def removing(self, datafiles: Sequence[SelectedDatafile]) -> Iterator[None]:
        with self._locks.exclusive(_datasets(datafiles)):
            if self._queue.unit is Unit.DATASET:
                self._require_online(datafiles)
            yield

    def changed(self, files: Mapping[str, int], gone: Collection[str]) -> None:
        if self._queue.unit is Unit.DATASET:
            things = [Thing(str(id), id) for id in sorted(set(files.values()))]
            self._queue.request(things, Operation.WRITE)
            return
        there = [Thing(place, id) for place, id in files.items() if place not in gone]
        removed = [Thing(place, id) for place, id in files.items() if place in gone]
        self._queue.request(there, Operation.WRITE)
        self._queue.request(removed, Operation.DELETE)

    def damaged(self, datafile: SelectedDatafile) -> None:
        for thing in self._things([datafile]):
            if self._queue.is_kept(thing.key):
                # it stays as it is in the main storage, as far as it is whole there
                self._queue.request([thing], Operation.RESTORE, self._asker())
                raise DataNotOnlineError(
                    f"Datafile {datafile.id} is damaged on disk; it is restored from the archive"
                )

    def overview(self) -> Overview:
        queue = self._queue
        told = queue.under_way(MOST_TOLD)
        return Overview(told, self._locks.counts(), queue.failures(), queue.shares())

    def _things(self, datafiles: Iterable[SelectedDatafile]) -> list[Thing]:
        if self._queue.unit is Unit.DATAFILE:
            own = (one for one in datafiles if self._is_own(one))
            return [Thing(one.location, one.dataset_id, one.id) for one in own]
        return [Thing(str(id), id) for id in sorted(_datasets(datafiles))]

    def _is_own(self, datafile: SelectedDatafile) -> bool:
        """The location was chosen for this dataset; a user may have written any other."""
        try:
            return self._storage.dataset_of(datafile.location) == datafile.dataset_id
        except NotFoundError:
            return False

    def _standings(self, datafiles: Iterable[SelectedDatafile]) -> dict[str, Standing]:
        found = self._queue.standing([thing.key for thing in self._things(datafiles)])
        for key, one in found.items():
            if one.failure is not None:
                raise InternalError(f"Restore failed: {key}: {one.failure}")
        return found

    def _away(self, datafiles: Iterable[SelectedDatafile]) -> list[Thing]:
        return self._not_online(self._things(datafiles))

    def _not_online(self, things: Sequence[Thing]) -> list[Thing]:
        found = self._queue.standing([thing.key for thing in things])
        return [thing for thing in things if not found.get(thing.key, ABSENT).is_online]

    def _bring_back(self, datafiles: Iterable[SelectedDatafile]) -> list[Thing]:
        """Ask for what is not online; gives it."""
        if away := self._away(datafiles):
            self._queue.request(away, Operation.RESTORE, self._asker())
        return away

    def _require_online(self, datafiles: Iterable[SelectedDatafile]) -> None:
        self._require(self._things(datafiles))

    def _require(self, things: Sequence[Thing]) -> None:
        if away := self._not_online(things):
            self._queue.request(away, Operation.RESTORE, self._asker())
            raise DataNotOnlineError(
                "The data are not online; they have been asked for and are being restored"
            )


def _datasets(datafiles: Iterable[SelectedDatafile]) -> set[int]:
    return {one.dataset_id for one in datafiles}
