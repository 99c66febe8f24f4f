"""Following jobs: from what the engine says to what users see."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from batch.engine import EngineState, JobStatus
from ijp.errors import ConflictError, EngineError, NotFoundError
from portal import changes, checkpoints, metrics
from portal.changes import Change
from portal.engines import Engines, gone
from portal.failure import Failure, of_status
from portal.model import UNFINISHED, JobRow
from portal.moments import now
from portal.services import Services
from portal.starting import QUEUED
from portal.states import State

log = logging.getLogger(__name__)

WANTED_AT_ONCE = 1000
ENDED = "ended; its results are being recorded"
HELD = "on hold until it is released"
SUSPENDED = "suspended on its node"
MISSING = "the batch system does not know it at the moment"
SILENT = "the batch system does not answer at the moment"
UNCLEAR = "the batch system's answer about it is not understood"
LOST = "lost: the batch system does not know it any more, so how it ended is not known"

_NEEDED = (
    *(JobRow.id, JobRow.attempt, JobRow.batch_id, JobRow.engine, JobRow.cancelled),
    *(JobRow.state, JobRow.reason, JobRow.missing_since, JobRow.started_at, JobRow.node),
    *(JobRow.cpu_seconds, JobRow.peak_memory_bytes, JobRow.resources),
)
_STATES = {
    EngineState.QUEUED: (State.QUEUED, QUEUED),
    EngineState.HELD: (State.HELD, HELD),
    EngineState.RUNNING: (State.EXECUTING, "running"),
    EngineState.SUSPENDED: (State.EXECUTING, SUSPENDED),
    EngineState.UNKNOWN: (State.UNKNOWN, UNCLEAR),
}


class Following:
    """Asks one engine about all users' unfinished jobs at once."""

    def __init__(self, services: Services, engine_name: str | None = None) -> None:
        """Follow the jobs of an engine; of the default one if none is named."""
        name = engine_name or services.engines.default_name
        self._services = services
        self._database = services.database
        self._name = name
        self._engine = services.engines[name]
        self._is_mine = services.engines.rows_of(name)
        self._silent = silence_of(services.engines, name)
        self._done_up_to = 0

    def follow(self) -> bool:
        """Bring the states up to date; gives whether some job has ended.

        Raises:
            EngineError: The engine does not answer; its jobs say so.
        """
        rows = self._without_lost(self._rows())
        if not rows:
            return False
        try:
            statuses = self._engine.status([row.batch_id or "" for row in rows])
        except EngineError:
            told = [_silent(row, self._silent) for row in rows if row.reason != self._silent]
            changes.apply(self._database, told)
            raise
        settings = self._services.settings
        delays = Delays(
            lost_after=timedelta(seconds=settings.lost_after_seconds),
            token_grace=timedelta(seconds=settings.token_grace_seconds),
        )
        made = [
            change
            for row in rows
            if (change := changed(row, statuses.get(row.batch_id or ""), now(), delays))
        ]
        changes.apply(self._database, made)
        metrics.count_changes(self._name, rows, made)
        has_ended = any("ended_at" in change.values for change in made)
        if has_ended:
            checkpoints.reached("ended")
        return has_ended

    def _without_lost(self, rows: Sequence[JobRow]) -> Sequence[JobRow]:
        """Those whose engine is there; the others say that it is not, and end if they should."""
        engines = self._services.engines
        if all(map(engines.knows, rows)):
            return rows
        lost = [row for row in rows if not engines.knows(row)]
        changes.apply(self._database, [one for row in lost if (one := _orphaned(row))])
        return [row for row in rows if engines.knows(row)]

    def do_wanted(self) -> bool:
        """Cancel, hold and release the next few that users asked for.

        Gives whether the engine did all of it; the rest is left for later.

        A few at a time, so that a sweep that is cancelled does not keep other jobs from starting;
        in turn, so that one with which the engine has trouble does not keep the others waiting.
        """
        query = (
            select(JobRow)
            .where(
                UNFINISHED,
                self._is_mine,
                JobRow.wanted.is_not(None),
                JobRow.batch_id.is_not(None),
                JobRow.ended_at.is_(None),
                JobRow.id > self._done_up_to,
            )
            .order_by(JobRow.id)
            .limit(at_once := min(WANTED_AT_ONCE, self._engine.at_once))
        )
        with Session(self._database) as transaction:
            rows = transaction.scalars(query).all()
        self._done_up_to = rows[-1].id if len(rows) == at_once else 0
        alike: dict[str, list[JobRow]] = {}
        for row in rows:
            if self._services.engines.knows(row):
                alike.setdefault(row.wanted or "", []).append(row)
        made = [change for wanted, theirs in alike.items() for change in self._do(wanted, theirs)]
        changes.apply(self._database, made)
        return all(change.values for change in made)

    @property
    def has_more_wanted(self) -> bool:
        """Whether there may be more than were done."""
        return self._done_up_to != 0

    def _do(self, wanted: str, rows: Sequence[JobRow]) -> list[Change]:
        verbs = {
            "cancel": self._engine.cancel_many,
            "hold": self._engine.hold_many,
            "release": self._engine.release_many,
        }
        answers = verbs[wanted]([row.batch_id or "" for row in rows])
        made = []
        for row, error in zip(rows, answers, strict=True):
            if error is None:
                made.append(_done(row, f"{wanted}: told the batch system"))
            elif isinstance(error, (NotFoundError, ConflictError)):
                made.append(_done(row, f"{wanted}: {error.message}"))
            else:
                log.warning("job %s: %s: %s", row.id, wanted, error.message)
                made.append(Change(row.id, {}))
        return made

    def _rows(self) -> Sequence[JobRow]:
        """What following needs of the rows; whole ones would fill the memory."""
        query = select(*_NEEDED).where(
            UNFINISHED, self._is_mine, JobRow.batch_id.is_not(None), JobRow.ended_at.is_(None)
        )
        with self._database.connect() as connection:
            return cast(Sequence[JobRow], connection.execute(query).all())


@dataclass(frozen=True)
class Delays:
    """How long to wait: before a job counts as lost, and before an ended job's token ends."""

    lost_after: timedelta
    token_grace: timedelta


def changed(
    row: JobRow, status: JobStatus | None, moment: datetime, delays: Delays
) -> Change | None:
    """What an engine's answer about a job changes; None if nothing.

    A job that the engine does not know is Unknown, and after a while lost: never Completed.
    """
    if status is None:
        return _missing(row, moment, delays.lost_after)
    if status.state is EngineState.ENDED:
        return _ended(row, status, moment, delays.token_grace)
    state, reason = _STATES[status.state]
    if status.state is EngineState.RUNNING and status.node:
        reason = f"running on {status.node}"
    elif status.reason and state in (State.QUEUED, State.HELD):
        reason = f"{reason}: {status.reason}"[:1000]
    values: dict[str, Any] = {"state": state, "reason": reason, "missing_since": None}
    if status.state is EngineState.RUNNING:
        values |= {"started_at": status.started or row.started_at or moment, "node": status.node}
        values |= _used(status)
    if _same(row, values):
        return None
    return Change(row.id, values, None if row.state == state else reason, attempt=row.attempt)


def _missing(row: JobRow, moment: datetime, lost_after: timedelta) -> Change | None:
    if row.missing_since is None:
        values = {"state": State.UNKNOWN, "reason": MISSING, "missing_since": moment}
        return Change(row.id, values, MISSING, attempt=row.attempt)
    if moment - row.missing_since < lost_after:
        return None
    values = {"ended_at": moment, "failure": LOST, "reason": ENDED, "token_ends_at": moment}
    values["failure_kind"] = Failure.LOST
    return Change(row.id, values, LOST, attempt=row.attempt)


def _ended(row: JobRow, status: JobStatus, moment: datetime, grace: timedelta) -> Change:
    """That it has ended; its state becomes final when the results are recorded."""
    ended_at = status.ended or moment
    values: dict[str, Any] = {
        "ended_at": ended_at,
        "exit_code": status.exit_code,
        "signal": status.signal,
        "failure": why_ended(status)[:1000],
        "failure_kind": of_status(status, row.resources.get("memoryMiB")) or "",
        "reason": ENDED,
        "started_at": status.started or row.started_at,
        "node": status.node or row.node,
        "token_ends_at": moment + grace,
        "missing_since": None,
        "wanted": None,
    }
    return Change(row.id, values | _used(status), "the program has ended", attempt=row.attempt)


def silence_of(engines: Engines, name: str) -> str:
    """What the jobs of an engine say while it does not answer."""
    return SILENT.replace("system", f"system {name}") if engines.are_several else SILENT


def _silent(row: JobRow, reason: str) -> Change:
    values = {"state": State.UNKNOWN, "reason": reason}
    return Change(row.id, values, reason, attempt=row.attempt)


def _orphaned(row: JobRow) -> Change | None:
    """What becomes of a job whose engine is not configured any more; None if nothing new."""
    reason = gone(row.engine)
    if row.cancelled:
        values = {"ended_at": now(), "failure": reason, "reason": ENDED, "token_ends_at": now()}
        text = f"cancelled; {reason}, so nobody could tell it to end"
        return Change(row.id, values | {"wanted": None}, text, attempt=row.attempt)
    return None if row.reason == reason else _silent(row, reason)


def _done(row: JobRow, event: str) -> Change:
    """That what the user wanted has been asked for, or cannot be."""
    return Change(row.id, {"wanted": None}, event, attempt=row.attempt)


def _used(status: JobStatus) -> dict[str, Any]:
    """What the job has used; only what the engine knows."""
    used = {"cpu_seconds": status.cpu_seconds, "peak_memory_bytes": status.peak_memory_bytes}
    return {name: value for name, value in used.items() if value is not None}


def _same(row: JobRow, values: Mapping[str, Any]) -> bool:
    return all(getattr(row, name) == value for name, value in values.items())


def why_ended(status: JobStatus) -> str:
    """How a job ended, for its user; "" if it ended well."""
    if status.reason:
        return f"{status.reason} reached" if " limit of " in status.reason else status.reason
    if status.signal is not None:
        return f"the program was ended by signal {status.signal} ({_signal_name(status.signal)})"
    if status.exit_code is None:
        return "the batch system does not say how it ended"
    if status.exit_code:
        return f"the program ended with code {status.exit_code}"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown here"
