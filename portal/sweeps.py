"""Sweeps: submissions that became several jobs, and the list that shows each as one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, exists, func, select
from sqlalchemy.orm import Session

from ijp.errors import BadRequestError, NotFoundError
from portal.failure import Failure, of_text
from portal.fairness_tables import WAITS
from portal.job_actions import Action
from portal.job_record import JobFilter, JobPage, JobRecord
from portal.job_rows import filtered, record_of, whose
from portal.model import JobRow, Submission
from portal.sessions import User
from portal.settings import PortalSettings
from portal.states import FINAL, WAITING, State


@dataclass(frozen=True)
class Counts:
    """How many of a sweep's jobs are where.

    Attributes:
        failures: Of those that failed, how many why.
    """

    by_state: Mapping[State, int]
    failures: Mapping[Failure, int] = field(default_factory=dict)

    def of(self, *states: State) -> int:
        """How many are in one of the states."""
        return sum(self.by_state.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        """All that there are; deleted ones are not."""
        return sum(self.by_state.values())

    @property
    def waiting(self) -> int:
        """Those that have not started."""
        return self.of(*WAITING)

    @property
    def running(self) -> int:
        """Those that run, or are not known just now."""
        return self.of(State.EXECUTING, State.UNKNOWN)

    @property
    def done(self) -> int:
        """Those that ended well."""
        return self.of(State.COMPLETED)

    @property
    def failed(self) -> int:
        """Those that failed."""
        return self.of(State.FAILED)

    @property
    def cancelled(self) -> int:
        """Those that were cancelled."""
        return self.of(State.CANCELLED)

    @property
    def ended(self) -> int:
        """Those about which nothing will change any more."""
        return self.of(*FINAL)

    @property
    def is_final(self) -> bool:
        """Whether all have ended."""
        return self.ended == self.total

    @property
    def parts(self) -> list[tuple[str, int, str]]:
        """What there is of each, as (kind, number, word), in the order of a bar."""
        everything = [
            ("good", self.done, "done"),
            ("bad", self.failed, "failed"),
            ("quiet", self.cancelled, "cancelled"),
            ("running", self.running, "running"),
            ("waiting", self.waiting, "waiting"),
        ]
        return [part for part in everything if part[1]]

    @property
    def text(self) -> str:
        """In words: "480 done, 20 failed"."""
        return ", ".join(f"{number:,} {word}" for _, number, word in self.parts)


@dataclass(frozen=True)
class Sweep:
    """Jobs that were submitted together.

    Attributes:
        size: How many they were; some may be deleted by now.
        waits: Which limit keeps some of its jobs waiting; "" if none does.
    """

    id: int
    name: str
    job_type: str
    user_name: str
    submitted_at: datetime
    size: int
    counts: Counts
    waits: str = ""

    @property
    def state(self) -> State:
        """One word for all: that of the jobs that need most attention."""
        counts = self.counts
        if counts.running:
            return State.EXECUTING
        if counts.waiting:
            return State.HELD if counts.waiting == counts.of(State.HELD) else State.QUEUED
        if counts.failed:
            return State.FAILED
        return State.CANCELLED if counts.cancelled else State.COMPLETED


@dataclass(frozen=True)
class Entry:
    """One row of the list of jobs: a job of its own, or a sweep.

    Attributes:
        lead: The job, or the sweep's first.
    """

    submission_id: int
    lead: JobRecord
    sweep: Sweep | None = None


@dataclass(frozen=True)
class EntryPage:
    """Rows, newest first; ``next_after`` is the ``after`` of the next page, None at the end."""

    entries: tuple[Entry, ...]
    next_after: int | None

    @property
    def jobs(self) -> tuple[JobRecord, ...]:
        """The jobs that stand for themselves."""
        return tuple(one.lead for one in self.entries if one.sweep is None)


def entries(
    database: Engine,
    settings: PortalSettings,
    user: User,
    which: JobFilter,
    *,
    limit: int = 50,
    after: int | None = None,
) -> EntryPage:
    """A page of the list in one statement: a sweep is there if one of its jobs fits the filter.

    Args:
        after: The submission of the last row of the page before.

    Raises:
        NotAuthorizedError: Other users' jobs are for admins.
    """
    chosen = _chosen(which, whose(user, which), after).limit(limit + 1).subquery()
    counted = [func.count().filter(JobRow.state == state).label(state.name) for state in State]
    sums = (
        select(JobRow.submission_id, func.min(JobRow.id).label("lead"), _waits, *counted)
        .where(JobRow.submission_id.in_(select(chosen.c.id)))
        .group_by(JobRow.submission_id)
        .subquery()
    )
    query = (
        select(JobRow, Submission, sums)
        .join(sums, sums.c.lead == JobRow.id)
        .join(Submission, Submission.id == JobRow.submission_id)
        .order_by(Submission.id.desc())
    )
    with Session(database) as transaction:
        found = [_entry(row, settings) for row in transaction.execute(query)]
    shown = tuple(found[:limit])
    return EntryPage(shown, shown[-1].submission_id if len(found) > limit else None)


_waits = (
    func.max(JobRow.reason)
    .filter(JobRow.state == State.STAGING, JobRow.reason.startswith(WAITS))
    .label("waits")
)


def _chosen(which: JobFilter, user_name: str | None, after: int | None) -> Select[int]:
    """The ids of submissions that a list shows, newest first."""
    if not (which.states or which.text or which.failure):
        query = select(Submission.id.label("id")).where(
            exists().where(JobRow.submission_id == Submission.id)
        )
        if user_name is not None:
            query = query.where(Submission.user_name == user_name)
        if which.job_type:
            query = query.where(Submission.job_type == which.job_type)
        if which.submitted_since is not None:
            query = query.where(_since(which.submitted_since, user_name))
        if after is not None:
            query = query.where(Submission.id < after)
        return query.order_by(Submission.id.desc())
    query = filtered(select(JobRow.submission_id.label("id")), which, user_name).distinct()
    if after is not None:
        query = query.where(JobRow.submission_id < after)
    return query.order_by(JobRow.submission_id.desc())


def _since(moment: datetime, user_name: str | None) -> ColumnElement[bool]:
    """Of submissions that came after a moment; one user's by number, which the list goes by."""
    if user_name is None:
        return Submission.created_at >= moment
    before = (
        select(Submission.id)
        .where(Submission.user_name == user_name, Submission.created_at < moment)
        .order_by(Submission.created_at.desc(), Submission.id.desc())
        .limit(1)
    )
    return Submission.id > func.coalesce(before.scalar_subquery(), 0)


def _entry(row: Any, settings: PortalSettings) -> Entry:
    job, submission = row[0], row[1]
    lead = record_of(job, settings)
    if submission.size == 1:
        return Entry(submission.id, lead)
    numbers = row._mapping
    counts = Counts({state: numbers[state.name] for state in State if numbers[state.name]})
    return Entry(submission.id, lead, _sweep(submission, counts, numbers["waits"]))


def _sweep(submission: Submission, counts: Counts, waits: str | None) -> Sweep:
    return Sweep(
        id=submission.id,
        name=submission.name or submission.job_type,
        job_type=submission.job_type,
        user_name=submission.user_name,
        submitted_at=submission.created_at,
        size=submission.size,
        counts=counts,
        waits=waits or "",
    )


def get(database: Engine, user: User, sweep_id: int) -> Sweep:
    """One sweep; a foreign one, one whose jobs are all deleted, and none are not told apart.

    Raises:
        NotFoundError: There is none.
    """
    query = (
        select(Submission, JobRow.state, JobRow.failure_kind, func.count(), _waits)
        .join(JobRow, JobRow.submission_id == Submission.id)
        .where(Submission.id == sweep_id, Submission.size > 1)
        .group_by(Submission.id, JobRow.state, JobRow.failure_kind)
    )
    with Session(database) as transaction:
        rows = transaction.execute(query).all()
    if not rows or not (rows[0][0].user_name == user.name or user.is_admin):
        raise NotFoundError(f"there is no sweep {sweep_id} of yours")
    by_state: dict[State, int] = {}
    failures: dict[Failure, int] = {}
    for _, state, kind, number, _ in rows:
        by_state[State(state)] = by_state.get(State(state), 0) + number
        if state == State.FAILED and (failure := of_text(kind)) is not None:
            failures[failure] = number
    waits = max(row.waits or "" for row in rows)
    return _sweep(rows[0][0], Counts(by_state, failures), waits)


def elements(
    database: Engine,
    settings: PortalSettings,
    which: JobFilter,
    *,
    limit: int = 50,
    after: int | None = None,
) -> JobPage:
    """A page of a sweep's jobs in the order of its inputs; the caller has seen to the rights.

    Args:
        after: The id of the last job of the page before.
    """
    query = filtered(select(JobRow), which, None).order_by(JobRow.id).limit(limit + 1)
    if after is not None:
        query = query.where(JobRow.id > after)
    with Session(database) as transaction:
        rows = transaction.scalars(query).all()
    jobs = tuple(record_of(row, settings) for row in rows[:limit])
    return JobPage(jobs, jobs[-1].id if len(rows) > limit else None)


_APPLIES: dict[Action, Iterable[State]] = {
    Action.CANCEL: [state for state in State if state not in FINAL],
    Action.HOLD: (State.STAGING, State.QUEUED),
    Action.RELEASE: (State.HELD,),
    Action.DELETE: FINAL,
    Action.RETRY: (State.FAILED,),
    Action.REPEAT: tuple(State),
    Action.FIRST: (State.STAGING,),
    Action.LAST: (State.STAGING,),
}
"""To which of a sweep's jobs an action is done when it is asked for the whole."""


def references(
    database: Engine, user: User, sweep_id: int, action: Action, failure: Failure | None = None
) -> list[str]:
    """The jobs of a sweep that an action is for.

    Args:
        failure: Only those that failed so.

    Raises:
        NotFoundError: There is no such sweep.
        BadRequestError: There is nothing in it to do that to.
    """
    get(database, user, sweep_id)
    which = JobFilter(sweep_id=sweep_id, states=tuple(_APPLIES[action]), failure=failure)
    query = filtered(select(JobRow.id), which, None).order_by(JobRow.id)
    with database.connect() as connection:
        found = [str(id) for id in connection.scalars(query)]
    if not found:
        raise BadRequestError(f"sweep {sweep_id} has no job to {action}")
    return found
