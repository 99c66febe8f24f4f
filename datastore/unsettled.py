"""Files of which it is not known whether the catalog knows them, and what becomes of them.

A process may die between storing a file and registering it, or between deleting the Datafile and
its content. A row that is written before says where to look; the catalog says what to do.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select, text

from datastore.digests import Checked
from datastore.model import FileDigest, UnsettledFile
from datastore.reader import ReaderAccount
from datastore.storage import Storage
from datastore.tiers.levels import Levels
from ijp.catalog import CatalogSession
from ijp.errors import NotAuthorizedError, NotFoundError
from ijp.query import query
from servicekit import database

log = logging.getLogger(__name__)

_FILES = UnsettledFile.__table__
_DIGESTS = FileDigest.__table__
_A_STATEMENT = 500

_STORED = text(
    "WITH forgotten AS (DELETE FROM unsettled_file WHERE location = :location) "
    "INSERT INTO file_digest (location, size, crc32, sha256, stored, checked) "
    "VALUES (:location, :size, :crc32, :sha256, :now, :now) ON CONFLICT DO NOTHING "
    "RETURNING set_config('synchronous_commit', 'off', true)"
)
"""What ``all_stored`` does for many, in one step."""

YOUNG = timedelta(hours=1)
"""What was written more recently may be in the hands of a request that is still running."""


@dataclass
class Swept:
    """What a sweep did: locations whose content was removed, was kept, or could not be judged."""

    removed: list[str]
    kept: list[str]
    unclear: list[str]


class Unsettled:
    """The notes on files whose fate is open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = database.writing(engine)

    def note(self, files: Iterable[tuple[str, int]]) -> None:
        """Remember locations, each with its dataset's id, before anything happens there."""
        now = datetime.now(UTC)
        rows = [
            {"location": location, "dataset_id": dataset_id, "since": now}
            for location, dataset_id in files
        ]
        if rows:
            with database.at_once(self._engine) as connection:
                connection.execute(database.insert_new(connection, _FILES), rows)

    def settled(self, locations: Collection[str]) -> None:
        """Forget locations: what is there is known to the catalog, or nothing is there."""
        with self._writing.begin() as connection:
            _forget(connection, locations)

    def stored(self, location: str, checked: Checked) -> None:
        """Forget a location that the catalog knows now, and keep what was found of its content."""
        if self._engine.dialect.name != "postgresql":
            self.all_stored({location: checked})
            return
        row = {"location": location, "now": datetime.now(UTC), **asdict(checked)}
        with database.at_once(self._engine) as connection:
            connection.execute(_STORED, row)

    def all_stored(self, found: Mapping[str, Checked]) -> None:
        """As ``stored``, for many."""
        now = datetime.now(UTC)
        with self._writing.begin() as connection:
            _forget(connection, found)
            rows = [
                {"location": at, "stored": now, "checked": now, **asdict(one)}
                for at, one in found.items()
            ]
            if rows:
                connection.execute(database.insert_new(connection, _DIGESTS), rows)

    def removed(self, locations: Collection[str]) -> None:
        """Forget locations at which there is nothing any more, and what was found there."""
        with self._writing.begin() as connection:
            _forget(connection, locations)
            for some in _portions(locations):
                connection.execute(delete(FileDigest).where(FileDigest.location.in_(some)))

    def older_than(self, moment: datetime) -> list[tuple[str, int]]:
        """Locations noted before a moment, with their datasets' ids."""
        statement = (
            select(UnsettledFile.location, UnsettledFile.dataset_id)
            .where(UnsettledFile.since < moment)
            .order_by(UnsettledFile.since)
        )
        with self._engine.connect() as connection:
            return [(row.location, row.dataset_id) for row in connection.execute(statement)]


def _forget(connection: Connection, locations: Iterable[str]) -> None:
    """Forget notes; that this is on the disk need not be waited for.

    After a power cut the notes are there again, and the sweep looks what became of the files.
    """
    database.commit_unhurriedly(connection)
    for some in _portions(locations):
        connection.execute(delete(UnsettledFile).where(UnsettledFile.location.in_(some)))


def _portions(locations: Iterable[str]) -> Iterator[Sequence[str]]:
    """As many as fit into a statement, in one order: two of them never wait for each other."""
    ordered = sorted(locations)
    return (ordered[at : at + _A_STATEMENT] for at in range(0, len(ordered), _A_STATEMENT))


class Sweep:
    """Settles what a crash left: removes content that no Datafile refers to."""

    def __init__(
        self,
        unsettled: Unsettled,
        storage: Storage,
        reader: ReaderAccount | None,
        *,
        signed: bool = False,
        levels: Levels | None = None,
    ) -> None:
        self._levels = levels or Levels()
        self._unsettled = unsettled
        self._storage = storage
        self._reader = reader
        self._signed = signed

    def run(self, now: datetime | None = None) -> Swept:
        """Look at every note that is older than an hour.

        Content is removed only when the reader account finds no Datafile at its location, though
        it sees Datafiles, and can read the dataset or is told that there is none any more.

        Raises:
            PortalError: The catalog cannot be asked; nothing was removed by then that it knows.
        """
        before = (now or datetime.now(UTC)) - YOUNG
        swept = Swept([], [], [])
        for location, dataset_id in self._unsettled.older_than(before):
            changed = self._storage.changed(location)
            if changed is not None and changed >= before:
                continue
            if changed is None:
                self._settle(location, dataset_id, is_gone=True)
            elif self._reader is None:
                swept.unclear.append(location)
            else:
                self._judge(self._reader.session(), location, dataset_id, swept)
        if swept.unclear:
            log.warning(
                "%d files may be without a Datafile; the reader account cannot tell: %s",
                len(swept.unclear),
                ", ".join(swept.unclear[:10]),
            )
        return swept

    def _judge(self, session: CatalogSession, location: str, dataset_id: int, swept: Swept) -> None:
        if registered(session, [location], signed=self._signed):
            swept.kept.append(location)
        elif _is_visible(session, dataset_id):
            self._storage.delete(location)
            swept.removed.append(location)
            log.info("removed %s: no Datafile refers to it", location)
        else:
            swept.unclear.append(location)
            return
        self._settle(location, dataset_id, is_gone=location not in swept.kept)

    def _settle(self, location: str, dataset_id: int, *, is_gone: bool) -> None:
        self._levels.changed({location: dataset_id}, [location] if is_gone else [])
        self._unsettled.settled([location])


def registered(
    session: CatalogSession, locations: Collection[str], *, signed: bool = False
) -> set[str]:
    """Those of the locations that a Datafile refers to, as far as the session's user sees.

    Args:
        signed: The catalog may have them with a digest behind.
    """
    found: set[str] = set()
    some = sorted(locations)
    for at in range(0, len(some), 50):
        part = some[at : at + 50]
        text = query("SELECT DISTINCT df.location FROM Datafile df WHERE df.location IN {}", part)
        if signed:
            text += "".join(query(" OR df.location LIKE {}", f"{one} %") for one in part)
        for told in session.search(text):
            found |= {str(told), str(told).rpartition(" ")[0]} & set(part)
    return found


def _is_visible(session: CatalogSession, dataset_id: int) -> bool:
    """The user sees Datafiles at all, and can read the dataset or there is none."""
    if not session.search("SELECT df.id FROM Datafile df LIMIT 0, 1"):
        return False
    try:
        session.get("Dataset", dataset_id)
    except NotFoundError:
        return True
    except NotAuthorizedError:
        return False
    return True
