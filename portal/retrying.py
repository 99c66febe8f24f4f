"""Trying failed jobs again in place: the same jobs, with their former attempts kept.

An attempt has a mark of its own, given in the transaction that ends the one before. From there a
retried job is started as a new one is: exactly once, whoever is killed meanwhile. Where memory or
time was the reason, the next attempt is given twice as much, up to the portal's limits.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session, undefer
from ulid import ULID

from ijp.errors import ConflictError, NotAuthorizedError, NotFoundError, PortalError
from jobdefs.store import Definitions
from portal import audit, limits_refusal, submitting
from portal import selection as selecting
from portal.failure import Failure, of_text
from portal.kept_sessions import KeptSessions
from portal.limits_refusal import Demand, Standing
from portal.model import JobAttempt, JobEvent, JobOutput, JobRead, JobRow
from portal.selection import Selection
from portal.sessions import User
from portal.settings import PortalSettings
from portal.states import RETRIED, State

_MIB = 1024 * 1024
_FACTOR = 2
_LIMIT = re.compile(r"memory limit of (\d{1,12}) MiB")
_KEPT = [
    *("state", "reason", "failure_kind", "resources", "started_at", "ended_at", "exit_code"),
    *("signal", "cpu_seconds", "peak_memory_bytes", "node", "batch_id", "provenance_id"),
]
_FRESH: dict[str, Any] = dict.fromkeys(
    (
        *("wanted", "progress", "attempted_at", "next_try_at", "recalled_at", "missing_since"),
        *("started_at", "ended_at", "batch_id", "exit_code", "signal", "cpu_seconds", "node"),
        *("peak_memory_bytes", "provenance_id", "token_hash", "token_ends_at"),
    )
) | {
    "state": State.STAGING,
    "reason": submitting.WAITING,
    "cancelled": False,
    "progress_message": "",
    "failure": "",
    "failure_kind": "",
    "recorded": False,
}


@dataclass(frozen=True)
class Retry:
    """What trying one job again would do.

    Attributes:
        before: The resources that it asked for; ``after`` what it would ask for.
        error: Why it cannot be tried again; None if it can.
    """

    reference: str
    row: JobRow | None = None
    after: Mapping[str, Any] | None = None
    error: PortalError | None = None

    @property
    def failure(self) -> Failure | None:
        """Why the job failed."""
        return of_text(self.row.failure_kind) if self.row else None

    @property
    def before(self) -> Mapping[str, Any]:
        """The resources that it asked for."""
        return self.row.resources if self.row else {}


@dataclass(frozen=True)
class Group:
    """Jobs that failed alike and would get the same."""

    jobs: int
    failure: Failure | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True)
class RetryPlan:
    """What trying several jobs again would do, before anything is done."""

    retries: tuple[Retry, ...]

    @property
    def ready(self) -> tuple[Retry, ...]:
        """Those that can be tried again."""
        return tuple(one for one in self.retries if one.error is None)

    @property
    def refused(self) -> tuple[Retry, ...]:
        """Those that cannot."""
        return tuple(one for one in self.retries if one.error is not None)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The jobs by how they failed and what they would get, most first."""
        counts: Counter[tuple[Any, ...]] = Counter()
        for one in self.ready:
            after = one.after or {}
            counts[one.failure, tuple(one.before.items()), tuple(after.items())] += 1
        return tuple(
            Group(number, failure, dict(before), dict(after))
            for (failure, before, after), number in counts.most_common()
        )


def more_of(row: JobRow, settings: PortalSettings) -> dict[str, Any]:
    """What a job's next attempt asks for: twice what it ran out of, up to the limits."""
    found = dict(row.resources)
    if row.failure_kind == Failure.MEMORY and (used := _memory_mib(row)):
        found["memoryMiB"] = max(min(_FACTOR * used, settings.retry_memory_mib), used)
    if row.failure_kind == Failure.TIME and (ran := _wall_minutes(row)):
        found["wallMinutes"] = max(min(_FACTOR * ran, settings.retry_wall_minutes), ran)
    return found


def _memory_mib(row: JobRow) -> int | None:
    """What it had: as asked for, as the reason says, or as it was seen to use."""
    if asked := row.resources.get("memoryMiB"):
        return int(asked)
    if limit := _LIMIT.search(row.reason):
        return int(limit[1])
    return math.ceil(row.peak_memory_bytes / _MIB) if row.peak_memory_bytes else None


def _wall_minutes(row: JobRow) -> int | None:
    if asked := row.resources.get("wallMinutes"):
        return int(asked)
    if row.started_at is None or row.ended_at is None:
        return None
    return max(1, math.ceil((row.ended_at - row.started_at).total_seconds() / 60))


def plan(
    user: User,
    settings: PortalSettings,
    definitions: Definitions,
    rows: Mapping[str, JobRow | None],
    *,
    more: bool,
) -> RetryPlan:
    """Say for each job whether it can be tried again, and with what.

    Args:
        rows: By reference, with their inputs loaded; None where there is no such job.
        more: Twice the memory or time where that was the reason; else as before.
    """
    missing = _missing(user, [row for row in rows.values() if row is not None])
    retries = []
    for reference, row in rows.items():
        try:
            checked = _check(user, definitions, reference, row, missing)
        except PortalError as error:
            retries.append(Retry(reference, row, error=error))
        else:
            after = more_of(checked, settings) if more else dict(checked.resources)
            retries.append(Retry(reference, checked, after))
    return RetryPlan(tuple(retries))


def _check(
    user: User, definitions: Definitions, reference: str, row: JobRow | None, missing: Selection
) -> JobRow:
    if row is None:
        raise NotFoundError(f"there is no job {reference} of yours")
    if row.user_name != user.name:
        raise NotAuthorizedError(f"job {row.id} is of {row.user_name}, who alone can try it again")
    if row.state not in RETRIED:
        raise ConflictError(f"job {row.id} is {row.state}; only what failed can be tried again")
    if not row.recorded:
        raise ConflictError(f"the provenance of job {row.id} is not recorded yet")
    job_type = definitions.job_types.get(row.job_type)
    if job_type is None or job_type.version != row.job_type_version:
        raise ConflictError(
            f"the job type {row.job_type!r} of job {row.id} is not what it was: repeat the job"
        )
    definitions.families.require(job_type, user.name)
    for what, ids, gone in (
        ("dataset", row.dataset_ids, missing.dataset_ids),
        ("datafile", row.datafile_ids, missing.datafile_ids),
    ):
        if lost := sorted(set(ids).intersection(gone)):
            raise NotFoundError(f"job {row.id} needs {what} {lost[0]}, which you may not see")
    return row


def _missing(user: User, rows: Iterable[JobRow]) -> Selection:
    """What of the jobs' inputs the user cannot read any more."""
    datasets: dict[int, None] = {}
    datafiles: dict[int, None] = {}
    for row in rows:
        datasets.update(dict.fromkeys(row.dataset_ids))
        datafiles.update(dict.fromkeys(row.datafile_ids))
    if not datasets and not datafiles:
        return Selection()
    return selecting.look_up(user.catalog, Selection(tuple(datasets), tuple(datafiles))).missing


WITH_INPUTS = (undefer(JobRow.dataset_ids), undefer(JobRow.datafile_ids))
"""For queries of rows that ``plan`` is to look at."""


def perform(
    transaction: Session,
    settings: PortalSettings,
    kept: KeptSessions,
    user: User,
    found: RetryPlan,
    standing: Standing | None = None,
) -> dict[int, PortalError | None]:
    """Begin the next attempts, all in the caller's transaction, which has the lock for writing.

    Args:
        standing: What the catalog says that limits depend on; None: as it was the last time.

    Returns:
        By job id, what came between since the plan was made; None where nothing did.

    Raises:
        TooLargeError: More jobs than there may be by one of the limits.
    """
    submitting.lock(transaction, user.name)
    limits_refusal.require(transaction, settings, user.name, standing or Standing(), _wanted(found))
    session_id = kept.keep(transaction, user.name, user.catalog)
    answers: dict[int, PortalError | None] = {}
    begun: list[Retry] = []
    outputs = _outputs(transaction, [one.row.id for one in found.ready if one.row])
    for one in found.ready:
        row = one.row
        if row is None:
            continue
        if _begin(transaction, row, session_id, one.after or {}):
            begun.append(one)
            answers[row.id] = None
        else:
            answers[row.id] = ConflictError(f"job {row.id} was tried again, or changed, meanwhile")
    _note(transaction, user, begun, outputs)
    return answers


def _wanted(found: RetryPlan) -> Counter[Demand]:
    """What the next attempts would take."""
    return Counter(
        Demand.of(one.row.job_type, one.row.investigation_id, one.after or {})
        for one in found.ready
        if one.row
    )


def _begin(
    transaction: Session, row: JobRow, session_id: int, resources: Mapping[str, Any]
) -> bool:
    statement = (
        update(JobRow)
        .where(JobRow.id == row.id, JobRow.attempt == row.attempt)
        .where(JobRow.state.in_(RETRIED), JobRow.recorded)
        .values(**_FRESH, catalog_session_id=session_id, resources=dict(resources))
        .values(attempt=row.attempt + 1, retry_mark=str(ULID()))
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    )
    return transaction.execute(statement).scalar() is not None


def _outputs(transaction: Session, ids: Sequence[int]) -> dict[int, list[int]]:
    query = select(JobOutput.job_id, JobOutput.dataset_id).where(
        JobOutput.job_id.in_(ids), JobOutput.created
    )
    found: dict[int, list[int]] = {}
    for job_id, dataset_id in transaction.execute(query.order_by(JobOutput.dataset_id)):
        found.setdefault(job_id, []).append(dataset_id)
    return found


def _note(
    transaction: Session, user: User, begun: Sequence[Retry], outputs: Mapping[int, list[int]]
) -> None:
    """Keep how the former attempts went; what the jobs read and made belongs to these."""
    rows = [(one.row, one.after or {}) for one in begun if one.row]
    if not rows:
        return
    ids = [row.id for row, _ in rows]
    attempts = [
        {name: getattr(row, name) for name in _KEPT}
        | {"job_id": row.id, "number": row.attempt, "mark": row.mark}
        | {"output_ids": outputs.get(row.id, [])}
        for row, _ in rows
    ]
    transaction.execute(insert(JobAttempt), attempts)
    for table in (JobRead, JobOutput):
        transaction.execute(delete(table).where(table.job_id.in_(ids)))
    events = [
        submitting.event_of(row.id, State.STAGING, told(row.attempt + 1, row.resources, after))
        for row, after in rows
    ]
    transaction.execute(insert(JobEvent), events)
    for row, _ in rows:
        audit.record(transaction, user.name, "retry", f"job {row.id}")


def told(number: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What a job's history says of a new attempt."""
    changed = [name for name in after if after[name] != before.get(name)]
    more = {"memoryMiB": "{} MiB of memory", "wallMinutes": "{} min of time"}
    words = [more[name].format(after[name]) for name in changed if name in more]
    return f"attempt {number}" + (f", with {' and '.join(words)}" if words else "")
