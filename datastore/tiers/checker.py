"""Looks from time to time whether the archive still has what it should: every file of every zip.

What it finds is logged and counted; it comes back to where it was after a restart, and begins
anew when it has come to the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select

from datastore.selection import SelectedDatafile
from datastore.tiers.model import CheckedArchive
from datastore.tiers.records import Thing
from datastore.tiers.worker import Worker
from ijp.errors import DataNotOnlineError, PortalError
from servicekit.database import writing

log = logging.getLogger(__name__)

_NAME = "datasets"
_AT_A_TIME = 20

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
        """Check the next few datasets, in the order of their ids; gives what is wrong."""
        last = self._last()
        chosen = self._worker.queue.archived(last, self._at_a_time)
        found: list[Fault] = []
        for thing, size in chosen:
            try:
                with self._worker.locks.shared([thing.dataset_id]):
                    found += self._check(thing, size)
            except DataNotOnlineError:
                log.info("dataset %s is being moved and is checked next time", thing.key)
            except PortalError as error:
                found.append(Fault(thing.dataset_id, "", error.message))
        for fault in found:
            log.error("archive: %s", fault)
        self._note(chosen[-1][0].dataset_id if len(chosen) == self._at_a_time else 0)
        return found

    def check_all(self) -> list[Fault]:
        """Check every dataset from the first on."""
        self._note(0)
        found = self.run()
        while self._last():
            found += self.run()
        return found

    def _check(self, thing: Thing, size: int | None) -> list[Fault]:
        mover, id = self._worker.mover, thing.dataset_id
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
    elif told.lower().lstrip("0") != f"{crc:x}".lstrip("0"):
        found.append("checksum wrong")
    return found
