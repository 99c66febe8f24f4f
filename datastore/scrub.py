"""Reads what is stored again and compares it with what it was when it was stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Engine, Row, select, update

from datastore import digests
from datastore.model import FileDigest
from datastore.storage import Storage
from datastore.unrecorded import Recorded, Unrecorded
from ijp.errors import NotFoundError, PortalError
from servicekit.database import writing

log = logging.getLogger(__name__)

_AT_ONCE = 200


@dataclass
class Scrubbed:
    """What was found.

    Attributes:
        faults: What is wrong, by location.
        absent: Files that are not on disk, which with an archive behind it is no fault.
        recorded: Files of which there was no record, and that are what the catalog says.
        unknown: Files of which there is no record, and that the catalog has no checksum of.
    """

    good: int = 0
    bytes: int = 0
    absent: int = 0
    recorded: int = 0
    unknown: int = 0
    faults: dict[str, str] = field(default_factory=dict)


class Scrub:
    """Goes on where an earlier run was broken off: each file's moment is kept when it is done."""

    def __init__(
        self,
        engine: Engine,
        storage: Storage,
        unrecorded: Unrecorded | None = None,
        *,
        is_archived: bool,
    ) -> None:
        """Take where files and their records are; without ``unrecorded`` only these are read."""
        self._engine = engine
        self._storage = storage
        self._unrecorded = unrecorded
        self._is_archived = is_archived

    def run(self, before: datetime, tell: Callable[[str, str], None] = lambda *_: None) -> Scrubbed:
        """Compare all files that were last compared before a moment, the longest ago first.

        Then those of which there is no record are compared with the catalog, and recorded.

        Args:
            tell: Told each location with a fault, and the fault, when it is found.

        Raises:
            PortalError: The catalog cannot be asked; what was compared before need not be again.
        """
        found = Scrubbed()
        for row in self._rows(before):
            fault = self._fault(row, found)
            if self._keep(row.location, fault) and fault:
                found.faults[row.location] = fault
                log.error("%s: %s", row.location, fault)
                tell(row.location, fault)
        if self._unrecorded:
            _add(self._unrecorded.record(tell), found)
        return found

    def marked(self) -> list[tuple[str, str]]:
        """Locations with what was found wrong there, by this or when the content was wanted."""
        query = (
            select(FileDigest.location, FileDigest.fault)
            .where(FileDigest.fault.is_not(None))
            .order_by(FileDigest.location)
        )
        with self._engine.connect() as connection:
            return [(row.location, row.fault or "") for row in connection.execute(query)]

    def _rows(self, before: datetime) -> Iterator[Row[str, int, int, str]]:
        statement = (
            select(FileDigest.location, FileDigest.size, FileDigest.crc32, FileDigest.sha256)
            .where(FileDigest.checked < before)
            .order_by(FileDigest.checked, FileDigest.location)
            .limit(_AT_ONCE)
        )
        while True:
            with self._engine.connect() as connection:
                rows = connection.execute(statement).all()
            yield from rows
            if len(rows) < _AT_ONCE:
                return

    def _fault(self, row: Row[str, int, int, str], found: Scrubbed) -> str | None:
        try:
            with self._storage.open(row.location) as file:
                checked = digests.read(file).checked()
        except NotFoundError:
            if self._is_archived:
                found.absent += 1
                return None
            return "there is nothing in the storage"
        except (OSError, PortalError) as error:
            return f"it cannot be read: {error}"
        found.bytes += checked.size
        if checked.size != row.size:
            return f"it has {checked.size} bytes, and had {row.size}"
        if checked.sha256 != row.sha256:
            return f"it has the SHA-256 {checked.sha256}, and had {row.sha256}"
        found.good += 1
        return None

    def _keep(self, location: str, fault: str | None) -> bool:
        """Keep the result; False if the file was deleted meanwhile."""
        with writing(self._engine).begin() as connection:
            done = connection.execute(
                update(FileDigest)
                .where(FileDigest.location == location)
                .values(checked=datetime.now(UTC), fault=fault)
            )
            return done.rowcount > 0


def _add(new: Recorded, found: Scrubbed) -> None:
    for location, fault in new.faults.items():
        log.error("%s: %s", location, fault)
    found.recorded, found.unknown = new.new, new.unknown
    found.bytes += new.bytes
    found.faults |= new.faults
