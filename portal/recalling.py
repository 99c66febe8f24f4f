"""Inputs that are in the archive: a job waits until its data are back, visibly, before it starts.

The data service is asked for them once, as the user; then it is looked how far it is, with
growing pauses. What cannot be brought back ends the job, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from ijp.datastore import DatastoreSession, Selection
from ijp.errors import (
    InternalError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    UnavailableError,
)
from portal.changes import Change
from portal.failure import Failure
from portal.model import JobRow
from portal.moments import now
from portal.services import Services
from portal.states import State

log = logging.getLogger(__name__)

WAITING = "waiting for data to be restored from the archive"
SILENT = "the data service does not say whether the data are there; it is asked again"
BACK = "the data are back from the archive"
FAILED = "its data could not be restored from the archive"

_ONLINE = "ONLINE"
_FIRST_LOOK_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_QUESTIONS = 60


class Recalling:
    """Looks after the inputs of jobs that are to be started."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def sort(self, rows: Sequence[JobRow]) -> tuple[list[JobRow], list[Change]]:
        """Those that can start now, and what is to be noted of the others."""
        new = [row for row in rows if row.attempted_at is None]
        if not new:
            return list(rows), []
        has_archive = self._has_archive()
        if has_archive is False:
            return list(rows), []
        changes = {}
        for id, selection in self._selections(new).items():
            row = next(one for one in new if one.id == id)
            change = self._look(row, selection) if has_archive else _put_off(row, SILENT)
            if change is not None:
                changes[id] = change
        ready = [row for row in rows if row.id not in changes]
        back = [Change(row.id, {"next_try_at": None}, BACK) for row in ready if row.recalled_at]
        return ready, [*changes.values(), *back]

    def _has_archive(self) -> bool | None:
        """Whether data may be in an archive; None if the data service does not say."""
        try:
            return self._services.datastore.is_two_level()
        except UnavailableError as error:
            log.warning("inputs of jobs: %s", error.message)
            return None

    def _selections(self, rows: Sequence[JobRow]) -> dict[int, Selection]:
        """The inputs of those that have any, by job id."""
        query = select(JobRow.id, JobRow.dataset_ids, JobRow.datafile_ids)
        query = query.where(JobRow.id.in_([row.id for row in rows])).order_by(JobRow.id)
        with self._services.database.connect() as connection:
            found = {
                row.id: Selection(dataset_ids=row.dataset_ids, datafile_ids=row.datafile_ids)
                for row in connection.execute(query)
            }
        return {id: selection for id, selection in found.items() if selection.wire()}

    def _look(self, row: JobRow, selection: Selection) -> Change | None:
        """What to note of a job whose data are not all there; None if they are."""
        try:
            session = self._services.sessions.kept.of_job(row.id)
            datastore = self._services.datastore.session(session.session_id)
            return self._look_at(row, datastore, selection)
        except UnavailableError as error:
            log.warning("inputs of job %d: %s", row.id, error.message)
            return _put_off(row, SILENT)
        except (NotAuthenticatedError, NotAuthorizedError, NotFoundError):
            # the job itself will meet this, and say so
            return None

    def _look_at(
        self, row: JobRow, datastore: DatastoreSession, selection: Selection
    ) -> Change | None:
        if row.recalled_at is None:
            if _is_online(datastore, selection):
                return None
            # this forgets what failed before, too
            datastore.prepare(selection)
        else:
            try:
                status = datastore.status(selection)
            except InternalError as error:
                return _failed(row, error.message)
            if status == _ONLINE:
                return None
            if status == "ARCHIVED":
                datastore.restore(selection)
        return _put_off(row, f"{WAITING} ({_progress(datastore, selection)})")


def _is_online(datastore: DatastoreSession, selection: Selection) -> bool:
    try:
        return datastore.status(selection) == _ONLINE
    except InternalError:
        return False


def _progress(datastore: DatastoreSession, selection: Selection) -> str:
    """How many of the inputs are there: "2 of 5"."""
    parts = [Selection(dataset_ids=[id]) for id in selection.dataset_ids]
    parts += [Selection(datafile_ids=[id]) for id in selection.datafile_ids]
    count = _Count(datastore)
    there = count.online(parts)
    return f"{'at least ' if count.gave_up else ''}{there} of {len(parts)}"


class _Count:
    """Counts what is online with few questions: what is online as a whole is asked about once."""

    def __init__(self, datastore: DatastoreSession) -> None:
        self._datastore = datastore
        self._left = _MOST_QUESTIONS
        self.gave_up = False

    def online(self, parts: Sequence[Selection]) -> int:
        """How many are; fewer if it would take too many questions."""
        if not self._left:
            self.gave_up = True
            return 0
        self._left -= 1
        whole = Selection(
            dataset_ids=[id for part in parts for id in part.dataset_ids],
            datafile_ids=[id for part in parts for id in part.datafile_ids],
        )
        if _is_online(self._datastore, whole):
            return len(parts)
        if len(parts) == 1:
            return 0
        middle = len(parts) // 2
        return self.online(parts[:middle]) + self.online(parts[middle:])


def _put_off(row: JobRow, reason: str) -> Change:
    since = row.recalled_at or now()
    values = {"next_try_at": _next_look(since), "reason": reason, "recalled_at": since}
    if reason == SILENT:
        values.pop("recalled_at")
    return Change(row.id, values, None if row.reason == reason else reason, (State.STAGING,))


def _next_look(since: datetime) -> datetime:
    waited = (now() - since).total_seconds()
    pause = min(max(_FIRST_LOOK_SECONDS, waited / 10), _LONGEST_PAUSE_SECONDS)
    return now() + timedelta(seconds=pause)


def _failed(row: JobRow, why: str) -> Change:
    reason = f"{FAILED}: {why}"[:1000]
    values = {
        "state": State.FAILED,
        "reason": reason,
        "failure_kind": Failure.DATA,
        "ended_at": now(),
        "token_ends_at": now(),
        "recorded": True,
        "wanted": None,
    }
    return Change(row.id, values, reason, (State.STAGING,))
