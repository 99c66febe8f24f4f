"""Looks from time to time whether the archive still has what it should: every file of it.

What it finds is logged and counted; it comes back to where it was after a restart, and begins
anew when it has come to the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select

from datastore.digests import is_crc32
from datastore.selection import SelectedDatafile
from datastore.tiers.model import CheckedArchive
from datastore.tiers.records import Thing, portions
from datastore.tiers.states import Unit
from datastore.tiers.worker import Worker
from ijp.errors import DataNotOnlineError, NotFoundError, PortalError, UnavailableError
from servicekit.database import writing

log = logging.getLogger(__name__)

_NAME = "datasets"
_AT_A_TIME = 20
_RECALLED_AT_ONCE = 100

Checksums = Callable[[int], Mapping[int, str | None]]
"""By datafile id the CRC-32 in hexadecimal that the catalog has, for a dataset's id."""


@dataclass(frozen=True)
class Fault:
    """Something wrong in the archive, in words; ``file`` is empty if it is all of a dataset."""

    dataset_id: int
    file: str
    what: str

    def __str__(self) -> str:
        file = f" datafile {self.file}" if self.file else ""
        return f"Dataset {self.dataset_id}{file} {self.what}"


class Checker:
    """Checks a few datasets at a time."""

    def __init__(
        self, engine: Engine, worker: Worker, at_a_time: int, checksums: Checksums
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._at_a_time = at_a_time or _AT_A_TIME
        self._checksums = checksums

    def run(self) -> list[Fault]:
        """Check the next few datasets, in the order of their ids; gives what is wrong.

        Raises:
            UnavailableError: The catalog or the archive does not answer; they are checked later.
        """
        last = self._last()
        chosen = self._worker.queue.archived_datasets(last, self._at_a_time)
        found: list[Fault] = []
        for id in chosen:
            try:
                with self._worker.locks.shared([id]):
                    found += self._check(id)
            except DataNotOnlineError:
                log.info("dataset %d is being moved and is checked next time", id)
            except UnavailableError:
                raise
            except PortalError as error:
                found.append(Fault(id, "", error.message))
        for fault in found:
            log.error("archive: %s", fault)
        self._note(chosen[-1] if len(chosen) == self._at_a_time else 0)
        return found

    def check_all(self) -> list[Fault]:
        """Check every dataset from the first on."""
        self._note(0)
        found = self.run()
        while self._last():
            found += self.run()
        return found

    def _check(self, id: int) -> list[Fault]:
        kept = self._worker.queue.archived_of(id)
        if self._worker.queue.unit is Unit.DATAFILE:
            return list(self._check_files(id, kept))
        return [fault for thing, size in kept for fault in self._check_zip(id, thing, size)]

    def _check_files(self, id: int, kept: Sequence[tuple[Thing, int | None]]) -> Iterator[Fault]:
        mover = self._worker.mover
        checksums = self._checksums(id)
        # of what the catalog does not know any more, the archive's copy is about to be deleted
        files = {one.location: one for one in mover.files_of(id)}
        known = [(files[thing.key], size) for thing, size in kept if thing.key in files]
        for some in portions(known, _RECALLED_AT_ONCE):
            failed = mover.archive.recall([file.location for file, _ in some])
            for file, size in some:
                try:
                    if reason := failed.get(file.location):
                        raise NotFoundError(reason)
                    seen = mover.checked_file(file.location)
                except UnavailableError:
                    raise
                except PortalError as error:
                    yield Fault(id, file.name, error.message)
                    continue
                if size is not None and seen[0] != size:
                    yield Fault(id, file.name, f"has {seen[0]} of {size} bytes in the archive")
                for what in _differences(file, checksums.get(file.id), *seen):
                    yield Fault(id, file.name, what)

    def _check_zip(self, id: int, thing: Thing, size: int | None) -> list[Fault]:
        mover = self._worker.mover
        kept = mover.archive.size(thing.key)
        if kept is None:
            return [Fault(id, "", "not found in the archive")]
        faults = []
        if size is not None and kept != size:
            faults.append(Fault(id, "", f"has {kept} of {size} bytes in the archive"))
        checksums = self._checksums(id)
        found = mover.checked_dataset(id)
        for file, seen in found:
            if seen is None:
                faults.append(Fault(id, file.name, "not found in the zip"))
            else:
                faults += [
                    Fault(id, file.name, what)
                    for what in _differences(file, checksums.get(file.id), *seen)
                ]
        return faults

    def _last(self) -> int:
        query = select(CheckedArchive.last_id).where(CheckedArchive.name == _NAME)
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def _note(self, last_id: int) -> None:
        with writing(self._engine).begin() as connection:
            connection.execute(delete(CheckedArchive).where(CheckedArchive.name == _NAME))
            connection.execute(insert(CheckedArchive).values(name=_NAME, last_id=last_id))


def _differences(file: SelectedDatafile, told: str | None, size: int, crc: int) -> list[str]:
    found = []
    if file.file_size is None:
        found.append("file size null")
    elif file.file_size != size:
        found.append("file size wrong")
    if told is None:
        found.append("checksum null")
    elif not is_crc32(told, crc):
        found.append("checksum wrong")
    return found
