"""Stored files without a record of what they were, as a power cut can leave them.

The last thing that a put tells the database does not wait for the disk. The catalog has the CRC-32
of such a file: if the file still has it, its digest is recorded now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Engine, delete, select

from datastore import digests
from datastore.digests import Checked
from datastore.locations import Locations
from datastore.model import FileDigest
from datastore.reader import ReaderAccount
from datastore.selection import Registered, Resolver
from datastore.storage import Storage
from ijp.errors import NotFoundError, PortalError
from servicekit import database

_A_STATEMENT = 500


@dataclass
class Recorded:
    """What became of files without a record.

    Attributes:
        new: How many have one now.
        unknown: Files of which the catalog has no checksum either.
        faults: What is wrong, by location; these get no record.
    """

    new: int = 0
    bytes: int = 0
    unknown: int = 0
    faults: dict[str, str] = field(default_factory=dict)


class Unrecorded:
    """Finds them by the catalog, as the reader account sees it."""

    def __init__(
        self, engine: Engine, storage: Storage, reader: ReaderAccount, locations: Locations
    ) -> None:
        self._engine = engine
        self._storage = storage
        self._reader = reader
        self._locations = locations

    def record(self, tell: Callable[[str, str], None] = lambda *_: None) -> Recorded:
        """Record the digest of each that is what the catalog says.

        Args:
            tell: Told each location with a fault, and the fault, when it is found.

        Raises:
            PortalError: The catalog cannot be asked; what was recorded by then stays.
        """
        found = Recorded()
        for page in self._pages():
            for one in self._without_record(page):
                if fault := self._look_at(one, found):
                    found.faults[one.location] = fault
                    tell(one.location, fault)
        return found

    def _pages(self) -> Iterator[Sequence[Registered]]:
        """All datafiles; the session is made sure of for each page, for much is read between."""
        last = 0
        while page := self._resolver().registered(last):
            yield page
            last = page[-1].id

    def _resolver(self) -> Resolver:
        return Resolver(self._reader.session(), self._locations)

    def _without_record(self, page: Sequence[Registered]) -> Iterator[Registered]:
        own = {one.location: one for one in page if self._is_own(one)}
        places = list(own)
        for at in range(0, len(places), _A_STATEMENT):
            some = places[at : at + _A_STATEMENT]
            query = select(FileDigest.location).where(FileDigest.location.in_(some))
            with self._engine.connect() as connection:
                known = set(connection.scalars(query))
            yield from (own[place] for place in some if place not in known)

    def _is_own(self, one: Registered) -> bool:
        """The location was chosen for this dataset; a user may have written any other."""
        try:
            return self._storage.dataset_of(one.location) == one.dataset_id
        except NotFoundError:
            return False

    def _look_at(self, one: Registered, found: Recorded) -> str | None:
        """Record what is right; else say what is wrong, if anything can be said."""
        try:
            with self._storage.open(one.location) as file:
                checked = digests.read(file).checked()
        except NotFoundError:
            # It is in the archive, or only the catalog ever had it.
            return None
        except (OSError, PortalError) as error:
            return f"it cannot be read: {error}"
        found.bytes += checked.size
        if one.checksum is None:
            found.unknown += 1
            return None
        if not digests.is_crc32(one.checksum, checked.crc32):
            return (
                f"it has the CRC-32 {checked.crc32:x}, and the catalog has {one.checksum}; "
                "there is no record of what it was"
            )
        found.new += self._recorded(one.location, checked)
        return None

    def _recorded(self, location: str, checked: Checked) -> int:
        """Record it, unless it has just been deleted; gives how many were."""
        now = datetime.now(UTC)
        row = {"location": location, "stored": now, "checked": now, **asdict(checked)}
        with database.writing(self._engine).begin() as connection:
            made = database.insert_new(connection, FileDigest.__table__)
            new = len(connection.execute(made, row).all())
        try:
            self._storage.size(location)
        except NotFoundError:
            # Whoever deletes a file forgets its record after that, which may have been before.
            with database.writing(self._engine).begin() as connection:
                connection.execute(delete(FileDigest).where(FileDigest.location == location))
            return 0
        return new
