"""Files of which it is not known whether the catalog knows them, and what becomes of them.

A process may die between storing a file and registering it, or between deleting the Datafile and
its content. A row that is written before says where to look; the catalog says what to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, Insert, and_, delete, func, or_, select, text, update

from datastore.alive import LEASE, Alive, living
from datastore.digests import Checked
from datastore.model import FileDigest, ResumableUpload, UnsettledFile
from datastore.reader import ReaderAccount
from datastore.storage import Storage
from datastore.tiers.levels import Levels
from ijp.catalog import CatalogSession
from ijp.errors import InternalError, NotAuthorizedError, NotFoundError
from ijp.query import query
from servicekit import database

log = logging.getLogger(__name__)

_FILES = UnsettledFile.__table__
_DIGESTS = FileDigest.__table__

_STORED = text(
    "WITH forgotten AS (DELETE FROM unsettled_file WHERE location = :location) "
    "INSERT INTO file_digest (location, size, crc32, sha256, stored, checked) "
    "VALUES (:location, :size, :crc32, :sha256, :now, :now) ON CONFLICT DO NOTHING "
    "RETURNING set_config('synchronous_commit', 'off', true)"
)
"""What ``all_stored`` does for many, in one step."""

_A_STATEMENT = 500

YOUNG = timedelta(hours=1)
"""What was written more recently may be in the hands of a request that is still running."""

LEFT = timedelta(minutes=2)
"""Whose last sign of life ended longer ago has nothing in hand, nor does the catalog for him."""


@dataclass
class Swept:
    """What a sweep did: locations whose content was removed, was kept, or could not be judged."""

    removed: list[str]
    kept: list[str]
    unclear: list[str]


@dataclass(frozen=True)
class Left:
    """A location that nobody has in hand, unless something was written there since a moment.

    Attributes:
        waits: It was sent in pieces, and its sender may come back to have it registered.
    """

    location: str
    dataset_id: int
    since: datetime
    waits: bool


class Unsettled:
    """The notes on files whose fate is open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = database.writing(engine)
        self._alive = Alive(engine)
        self._noting: Insert | None = None

    def note(self, files: Iterable[tuple[str, int]]) -> None:
        """Remember locations, each with its dataset's id, before anything happens there."""
        whose = {"since": self._alive.now(), "owner": self._alive.name}
        rows = [
            {"location": location, "dataset_id": dataset_id, **whose}
            for location, dataset_id in files
        ]
        if rows:
            self._alive.keep()
            with database.at_once(self._engine) as connection:
                if self._noting is None:
                    self._noting = database.insert_or_update(
                        connection, _FILES, ["location"], list(whose)
                    )
                connection.execute(self._noting, rows)

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

    def require(self, locations: Collection[str], noted_at: float) -> None:
        """See that nobody has taken this owner for dead and judged a location meanwhile.

        Args:
            noted_at: When they were noted, as ``time.time()`` has it. Not long ago, nobody can
                have.

        Raises:
            InternalError: The note on one has gone.
        """
        if time.time() - noted_at < LEASE.total_seconds():
            return
        for some in _portions(locations):
            own = (UnsettledFile.location.in_(some), UnsettledFile.owner == self._alive.name)
            query = select(func.count()).select_from(UnsettledFile).where(*own)
            with self._engine.connect() as connection:
                if connection.scalar(query) != len(some):
                    raise InternalError("the data service was away for too long; send it again")

    def put_off(self, location: str) -> None:
        """Look at a location again in an hour."""
        own = update(UnsettledFile).where(UnsettledFile.location == location)
        later = own.values(since=self._alive.now(), owner=None)
        with self._writing.begin() as connection:
            connection.execute(later)

    def left(self, now: datetime | None = None) -> list[Left]:
        """Locations that nobody has in hand."""
        now = now or self._alive.now()
        waits = select(ResumableUpload.location).where(
            ResumableUpload.datafile_id.is_(None), ResumableUpload.expires > now
        )
        was_alive = UnsettledFile.owner.in_(living(now - LEFT))
        is_left = and_(UnsettledFile.owner.is_not(None), ~was_alive)
        statement = (
            select(
                UnsettledFile.location,
                UnsettledFile.dataset_id,
                is_left.label("is_left"),
                UnsettledFile.location.in_(waits).label("waits"),
            )
            .where(or_(is_left, UnsettledFile.since < now - YOUNG))
            .order_by(UnsettledFile.since)
        )
        with self._engine.connect() as connection:
            return [
                Left(
                    row.location,
                    row.dataset_id,
                    now - (LEFT if row.is_left else YOUNG),
                    waits=bool(row.waits),
                )
                for row in connection.execute(statement)
            ]


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
        """Look at every note of a process that ended minutes ago, or that is older than an hour.

        Content is removed only when the reader account finds no Datafile at its location, though
        it sees Datafiles, and can read the dataset or is told that there is none any more.

        Raises:
            PortalError: The catalog cannot be asked; nothing was removed by then that it knows.
        """
        swept = Swept([], [], [])
        for one in self._unsettled.left(now):
            changed = self._storage.changed(one.location)
            if changed is not None and changed >= one.since:
                continue
            if changed is None:
                self._settle(one, is_gone=True)
            elif self._reader is None:
                self._put_off(one, swept)
            else:
                self._judge(self._reader.session(), one, swept)
        if swept.unclear:
            log.warning(
                "%d files may be without a Datafile; the reader account cannot tell: %s",
                len(swept.unclear),
                ", ".join(swept.unclear[:10]),
            )
        return swept

    def _judge(self, session: CatalogSession, one: Left, swept: Swept) -> None:
        is_registered = bool(registered(session, [one.location], signed=self._signed))
        if is_registered:
            swept.kept.append(one.location)
        elif one.waits:
            return
        elif _is_visible(session, one.dataset_id):
            self._storage.delete(one.location)
            swept.removed.append(one.location)
            log.info("removed %s: no Datafile refers to it", one.location)
        else:
            self._put_off(one, swept)
            return
        self._settle(one, is_gone=not is_registered)

    def _put_off(self, one: Left, swept: Swept) -> None:
        swept.unclear.append(one.location)
        self._unsettled.put_off(one.location)

    def _settle(self, one: Left, *, is_gone: bool) -> None:
        self._levels.changed({one.location: one.dataset_id}, [one.location] if is_gone else [])
        self._unsettled.settled([one.location])


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
