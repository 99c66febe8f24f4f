"""Selections that are made downloadable in the background, as large as they may be.

A row says what is wanted and how far it is, and some process works on it under a lease. Should
that be killed, the next who looks at the page has it taken up where it was.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update

from ijp import datastore
from ijp.catalog import CatalogSession
from ijp.datastore import DatastoreClient
from ijp.errors import (
    BadRequestError,
    InternalError,
    NotAuthorizedError,
    NotFoundError,
    PortalError,
    UnavailableError,
)
from ijp.query import query
from portal import downloads
from portal.lease import Leadership
from portal.model import DownloadRow
from portal.moments import now
from portal.selection import Selection
from portal.sessions import User
from portal.settings import PortalSettings
from servicekit.database import writing

log = logging.getLogger(__name__)

_AT_ONCE = 50
_WORKERS = 2
_LEASE = timedelta(seconds=30)
_RENEWED_SECONDS = 3.0
_KEPT = timedelta(days=7)
_LONGEST_CALL_SECONDS = 3600.0
_LOOKED_AGAIN_SECONDS = 0.05
_FILES = "SELECT COUNT(f) FROM Datafile f WHERE f.location IS NOT NULL AND {what} IN {{}}"
_BYTES = "SELECT SUM(f.fileSize) FROM Datafile f WHERE f.location IS NOT NULL AND {what} IN {{}}"


class Phase(StrEnum):
    """How far a download is."""

    PREPARING = "PREPARING"
    RESTORING = "RESTORING"
    READY = "READY"
    FAILED = "FAILED"


_PREPARED = "PREPARED"


@dataclass(frozen=True)
class Seen:
    """A download as its owner sees it.

    Attributes:
        looked, total: How many of the selected datasets and datafiles were looked up.
        files, bytes: What was found in these.
        online: While it is restored, how many of the files are there; None if nobody says.
        url: Absolute, for any program; empty until it is prepared.
        reason: Why it failed, or what it waits for.
    """

    id: str
    name: str
    phase: Phase
    looked: int
    total: int
    files: int
    bytes: int
    url: str
    reason: str
    prepared_id: str | None = None
    online: int | None = None

    @property
    def is_final(self) -> bool:
        """Nothing changes any more by itself."""
        return self.phase in (Phase.READY, Phase.FAILED)


class Preparing:
    """Prepares what users selected, a few selections at a time in each process."""

    def __init__(
        self, database: Engine, datastore: DatastoreClient, settings: PortalSettings
    ) -> None:
        self._database = database
        self._datastore = datastore
        self._settings = settings
        self._waiting: queue.SimpleQueue[tuple[str, CatalogSession]] = queue.SimpleQueue()
        self._in_hand: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def begin(self, user: User, selection: Selection, name: str = "") -> str:
        """Prepare a selection from now on; gives the id under which it is seen.

        Args:
            name: File name to propose; the data service's own if empty.

        Raises:
            BadRequestError: Nothing is selected.
        """
        if not len(selection):
            raise BadRequestError("nothing is selected to download")
        id, moment = str(uuid.uuid4()), now()
        row = {
            "id": id,
            "user_name": user.name,
            "dataset_ids": list(selection.dataset_ids),
            "datafile_ids": list(selection.datafile_ids),
            "name": name[:255],
            "state": Phase.PREPARING,
            "created_at": moment,
        }
        with writing(self._database).begin() as connection:
            connection.execute(delete(DownloadRow).where(DownloadRow.created_at < moment - _KEPT))
            connection.execute(insert(DownloadRow).values(**row))
        self._take_up(id, user.catalog)
        return id

    def require(self, user: User, selection: Selection) -> None:
        """See that a few datasets and datafiles are there; of many the download itself says it.

        Raises:
            NotFoundError: One is not, or not for this user.
        """
        parts = (("Dataset", selection.dataset_ids), ("Datafile", selection.datafile_ids))
        for entity, ids in parts if len(selection) <= _AT_ONCE else ():
            if ids:
                _require_all(user.catalog, entity, ids)

    def look(self, user: User, id: str, *, patience_seconds: float = 0.0) -> Seen:
        """How far a download of the user is; one that nobody works on is taken up.

        Args:
            patience_seconds: How long to wait for its end.

        Raises:
            NotFoundError: There is none of that id, or it is another user's.
        """
        until = time.monotonic() + patience_seconds
        while True:
            row = self._row(user, id)
            if row.state != Phase.PREPARING:
                return self._seen(row)
            self._take_up(id, user.catalog)
            if time.monotonic() >= until:
                return _view(row, Phase.PREPARING)
            time.sleep(_LOOKED_AGAIN_SECONDS)

    def again(self, user: User, id: str) -> None:
        """Begin anew what has failed.

        Raises:
            NotFoundError: As ``look`` does.
        """
        row = self._row(user, id)
        if self._seen(row).phase is Phase.FAILED:
            anew = {"state": Phase.PREPARING, "reason": "", "prepared_id": None}
            self._note(id, **anew, looked=0, files=0, bytes=0)
            self._take_up(id, user.catalog)

    def _row(self, user: User, id: str) -> Any:
        statement = select(DownloadRow.__table__).where(
            DownloadRow.id == id, DownloadRow.user_name == user.name
        )
        with self._database.connect() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise NotFoundError("there is no such download of yours, or not any more")
        return row

    def _seen(self, row: Any) -> Seen:
        if row.state == Phase.FAILED:
            return _view(row, Phase.FAILED)
        url = downloads.address(self._datastore, self._settings, row.prepared_id, row.name)
        try:
            found = self._datastore.readiness(row.prepared_id)
        except NotFoundError:
            return _view(row, Phase.FAILED, reason="it was prepared too long ago")
        except InternalError as error:
            return _view(row, Phase.FAILED, reason=error.message)
        seen = _view(row, Phase.READY if found.is_ready else Phase.RESTORING, url)
        return replace(
            seen, online=found.online, files=seen.files if found.files is None else found.files
        )

    def _take_up(self, id: str, session: CatalogSession) -> None:
        with self._lock:
            if id in self._in_hand:
                return
            self._in_hand.add(id)
            if len(self._threads) < _WORKERS:
                thread = threading.Thread(target=self._work, name="preparing", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._waiting.put((id, session))

    def _work(self) -> None:
        while True:
            id, session = self._waiting.get()
            try:
                with self._held(id) as is_mine:
                    if is_mine:
                        self._prepare(id, session)
            except Exception:
                log.exception("download %s cannot be prepared just now", id)
            finally:
                with self._lock:
                    self._in_hand.discard(id)

    @contextmanager
    def _held(self, id: str) -> Iterator[bool]:
        """Whether this process may work on a download; it stays so meanwhile."""
        lease = Leadership(self._database, f"download {id}", _LEASE)
        if not lease.held():
            yield False
            return
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(_RENEWED_SECONDS):
                lease.held()

        keeper = threading.Thread(target=renew, name="preparing-lease", daemon=True)
        keeper.start()
        try:
            yield True
        finally:
            ended.set()
            keeper.join()
            lease.release()

    def _prepare(self, id: str, session: CatalogSession) -> None:
        with self._database.connect() as connection:
            row = connection.execute(
                select(DownloadRow.__table__).where(DownloadRow.id == id)
            ).one_or_none()
        if row is None or row.state != Phase.PREPARING:
            return
        try:
            self._look_up(row, session)
            prepared_id = self._prepared(row, session)
            self._note(id, state=_PREPARED, prepared_id=prepared_id, reason="")
        except UnavailableError as error:
            self._note(id, reason=f"{error.message}; it is tried again"[:1000])
            time.sleep(1)
        except PortalError as error:
            self._fail(id, error.message)
        except Exception:
            log.exception("download %s failed", id)
            self._fail(id, "an error of the portal; its log says more")

    def _prepared(self, row: Any, session: CatalogSession) -> str:
        """Have the data service prepare it; gives the id there."""
        chosen = datastore.Selection((), row.dataset_ids, row.datafile_ids)
        try:
            answer = self._datastore.call(
                "POST",
                "/prepareData",
                session.session_id,
                form=chosen.wire(),
                read_timeout_seconds=_LONGEST_CALL_SECONDS,
            )
        except (NotFoundError, NotAuthorizedError):
            text = "something of what is selected is not there, or not for your account"
            raise NotFoundError(text) from None
        return str(answer.text.strip())

    def _look_up(self, row: Any, session: CatalogSession) -> None:
        """Count what is selected, from where this was broken off."""
        looked, files, size = row.looked, row.files, row.bytes
        parts = [("Dataset", "f.dataset.id", row.dataset_ids)]
        parts.append(("Datafile", "f.id", row.datafile_ids))
        passed = 0
        for entity, what, ids in parts:
            for at in range(0, len(ids), _AT_ONCE):
                some = ids[at : at + _AT_ONCE]
                passed += len(some)
                if passed <= looked:
                    continue
                _require_all(session, entity, some)
                files += _number(session, _FILES.format(what=what), some)
                size += _number(session, _BYTES.format(what=what), some)
                looked = passed
                self._note(row.id, looked=looked, files=files, bytes=size)

    def _fail(self, id: str, reason: str) -> None:
        log.info("download %s: %s", id, reason)
        self._note(id, state=Phase.FAILED, reason=reason[:1000])

    def _note(self, id: str, **values: object) -> None:
        with writing(self._database).begin() as connection:
            connection.execute(update(DownloadRow).where(DownloadRow.id == id).values(**values))


def _require_all(session: CatalogSession, entity: str, ids: Sequence[int]) -> None:
    found = set(session.search(query(f"SELECT e.id FROM {entity} e WHERE e.id IN {{}}", ids)))
    if missing := [id for id in ids if id not in found]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        what = f"{entity.lower()} {missing[0]}{more}"
        raise NotFoundError(f"{what}: not there, or not for your account")


def _number(session: CatalogSession, text: str, ids: Sequence[int]) -> int:
    found = session.search(query(text, ids))
    return int(found[0] or 0) if found else 0


def _view(row: Any, phase: Phase, url: str = "", reason: str = "") -> Seen:
    columns: Mapping[str, Any] = row._mapping
    names = ("id", "name", "looked", "files", "bytes", "prepared_id")
    same = {name: columns[name] for name in names}
    total = len(columns["dataset_ids"]) + len(columns["datafile_ids"])
    told = reason or columns["reason"]
    return Seen(phase=phase, total=total, url=url, reason=told, **same)
