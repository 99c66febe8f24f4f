"""What users do to jobs that are there, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from batch.engine import BatchEngine, Capability
from ijp.errors import ConflictError, NotImplementedHereError, PortalError
from portal import audit, job_folder, limits_spent, submitting
from portal.engines import Engines
from portal.job_rows import is_over
from portal.model import UNFINISHED, JobAttempt, JobRow
from portal.moments import now
from portal.sessions import User
from portal.settings import PortalSettings
from portal.states import FINAL, WAITING, State

NEVER_STARTED = "cancelled before it started"


class Action(StrEnum):
    """What can be done to many jobs at once."""

    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"
    RETRY = "retry"
    REPEAT = "repeat"
    FIRST = "first"
    LAST = "last"


ORDERING = (Action.FIRST, Action.LAST)
"""What is about the order of a user's own jobs."""
_NEEDED = {Action.HOLD: Capability.HOLD, Action.RELEASE: Capability.RELEASE}


def possible(*engines: BatchEngine) -> tuple[Action, ...]:
    """The actions that make sense with one of these engines."""
    return tuple(
        action
        for action in Action
        if action not in _NEEDED or any(_NEEDED[action] in one.capabilities for one in engines)
    )


@dataclass(frozen=True)
class Done:
    """What became of an action on one job.

    Attributes:
        reference: As the caller named the job.
        job_id: None if there is no such job.
        state: Of the job afterwards; None if it is deleted, or nobody knows.
        error: Why it was not done; None if it was.
        made: The job that a repetition made.
    """

    reference: str
    job_id: int | None = None
    state: State | None = None
    error: PortalError | None = None
    made: int | None = None


def require(engines: Iterable[BatchEngine], action: Action) -> None:
    """Refuse what none of these engines can do.

    Raises:
        NotImplementedHereError: None can.
    """
    if action not in possible(*engines):
        raise NotImplementedHereError(f"the batch system here cannot {action} jobs")


def cannot(engines: Engines, row: JobRow, action: Action) -> PortalError | None:
    """Why a job's engine cannot do something to it; None if it can."""
    if action not in _NEEDED:
        return None
    try:
        require([engines.of(row.engine)], action)
    except PortalError as error:
        return error
    return None


def cancel(transaction: Session, user: User, rows: Sequence[JobRow]) -> None:
    """End jobs that no engine can know yet; have the dispatcher end any others.

    Those that have ended already stay as they are.
    """
    going = [row for row in rows if not is_over(row)]
    if not going:
        return
    never_tried = (
        update(JobRow)
        .where(JobRow.id.in_([row.id for row in going]))
        .where(JobRow.state == State.STAGING, JobRow.attempted_at.is_(None))
        .values(state=State.CANCELLED, reason=NEVER_STARTED, ended_at=now())
        .values(cancelled=True, recorded=True, wanted=None)
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    )
    ended = set(transaction.scalars(never_tried))
    others = (
        update(JobRow)
        .where(JobRow.id.in_([row.id for row in going if row.id not in ended]), UNFINISHED)
        .values(wanted=str(Action.CANCEL), cancelled=True)
        .execution_options(synchronize_session=False)
    )
    transaction.execute(others)
    for row in going:
        audit.record(transaction, user.name, "cancel", f"job {row.id}", row.user_name)
        if row.id in ended:
            submitting.add_event(transaction, row.id, State.CANCELLED, NEVER_STARTED)
    transaction.flush()
    transaction.expire_all()


def refusal(row: JobRow, action: Action) -> ConflictError | None:
    """Why a job cannot be put on hold or released; None if it can, because it waits."""
    if row.state in WAITING and row.wanted != Action.CANCEL:
        return None
    verb = "put on hold" if action is Action.HOLD else "released"
    return ConflictError(f"job {row.id} is {row.state} and cannot be {verb}")


def misplaced(row: JobRow) -> ConflictError | None:
    """Why a job's place among its user's jobs cannot be changed; None if it can."""
    if row.state == State.STAGING and row.attempted_at is None:
        return None
    told = f"job {row.id} is {row.state}; only jobs that the batch system has not got yet"
    return ConflictError(f"{told} have an order here")


def order(transaction: Session, user: User, rows: Sequence[JobRow], action: Action) -> None:
    """Put jobs before, or behind, all others of their users that are not started."""
    is_first = action is Action.FIRST
    end = func.max(JobRow.precedence) if is_first else func.min(JobRow.precedence)
    for name in {row.user_name for row in rows}:
        fresh = (JobRow.state == State.STAGING, JobRow.attempted_at.is_(None))
        query = select(end).where(JobRow.user_name == name, UNFINISHED, *fresh)
        found = transaction.scalar(query) or 0
        ids = [row.id for row in rows if row.user_name == name]
        transaction.execute(
            update(JobRow)
            .where(JobRow.id.in_(ids), *fresh)
            .values(precedence=found + (1 if is_first else -1))
            .execution_options(synchronize_session=False)
        )
    for row in rows:
        audit.record(transaction, user.name, str(action), f"job {row.id}", row.user_name)
    transaction.flush()
    transaction.expire_all()


def move(transaction: Session, user: User, rows: Sequence[JobRow], action: Action) -> None:
    """Hold waiting jobs, or release them; the caller has seen that they wait."""
    statement = (
        update(JobRow)
        .where(JobRow.id.in_([row.id for row in rows]), UNFINISHED)
        .where(or_(JobRow.wanted.is_(None), JobRow.wanted != Action.CANCEL))
        .values(wanted=str(action))
        .execution_options(synchronize_session=False)
    )
    transaction.execute(statement)
    for row in rows:
        audit.record(transaction, user.name, str(action), f"job {row.id}", row.user_name)
    transaction.flush()
    transaction.expire_all()


def undeletable(row: JobRow) -> ConflictError | None:
    """Why a job cannot be deleted; None if it can, because it has ended."""
    if row.state not in FINAL:
        return ConflictError(f"job {row.id} is {row.state}; cancel it before deleting it")
    if not row.recorded:
        return ConflictError(f"the provenance of job {row.id} is not recorded yet")
    return None


def delete(
    transaction: Session, user: User, row: JobRow, settings: PortalSettings
) -> Collection[Path]:
    """Delete an ended job's row; gives the folders that are to be removed after the commit."""
    audit.record(transaction, user.name, "delete", f"job {row.id}", row.user_name)
    limits_spent.keep(transaction, row)
    earlier: list[str] = []
    if row.attempt > 1:
        query = select(JobAttempt.mark).where(JobAttempt.job_id == row.id)
        earlier = list(transaction.scalars(query))
    transaction.delete(row)
    return [job_folder.of(settings.work_folder, mark) for mark in (row.mark, *earlier)]
