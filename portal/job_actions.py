"""What users do to jobs that are there, one job at a time in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from batch.engine import BatchEngine, Capability
from ijp.errors import ConflictError, NotImplementedHereError, PortalError
from portal import audit, job_folder, submitting
from portal.job_rows import is_over
from portal.model import JobAttempt, JobRow
from portal.moments import now
from portal.sessions import User
from portal.settings import PortalSettings
from portal.states import FINAL, WAITING, State


class Action(StrEnum):
    """What can be done to many jobs at once."""

    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"
    RETRY = "retry"
    REPEAT = "repeat"


_NEEDED = {Action.HOLD: Capability.HOLD, Action.RELEASE: Capability.RELEASE}


def possible(engine: BatchEngine) -> tuple[Action, ...]:
    """The actions that make sense with this engine."""
    return tuple(
        action
        for action in Action
        if action not in _NEEDED or _NEEDED[action] in engine.capabilities
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


def require(engine: BatchEngine, action: Action) -> None:
    """Refuse what this engine cannot do.

    Raises:
        NotImplementedHereError: It cannot.
    """
    if action not in possible(engine):
        raise NotImplementedHereError(f"the batch system here cannot {action} jobs")


def cancel(transaction: Session, user: User, row: JobRow) -> None:
    """End a job that no engine can know yet; have the dispatcher end any other.

    One that has ended already stays as it is.
    """
    if is_over(row):
        return
    audit.record(transaction, user.name, "cancel", f"job {row.id}", row.user_name)
    never_tried = (
        update(JobRow)
        .where(JobRow.id == row.id, JobRow.state == State.STAGING, JobRow.attempted_at.is_(None))
        .values(state=State.CANCELLED, reason="cancelled before it started", ended_at=now())
        .values(cancelled=True, recorded=True, wanted=None)
    )
    if transaction.execute(never_tried).rowcount:  # type: ignore[attr-defined]
        submitting.add_event(transaction, row.id, State.CANCELLED, "cancelled before it started")
    else:
        row.wanted, row.cancelled = "cancel", True
    transaction.flush()
    transaction.refresh(row)


def move(transaction: Session, user: User, row: JobRow, action: Action) -> None:
    """Hold a waiting job, or release it.

    Raises:
        ConflictError: It does not wait.
    """
    if row.state not in WAITING or row.wanted == "cancel":
        verb = "put on hold" if action is Action.HOLD else "released"
        raise ConflictError(f"job {row.id} is {row.state} and cannot be {verb}")
    row.wanted = str(action)
    audit.record(transaction, user.name, str(action), f"job {row.id}", row.user_name)


def delete(
    transaction: Session, user: User, row: JobRow, settings: PortalSettings
) -> Collection[Path]:
    """Delete an ended job's row; gives the folders that are to be removed after the commit.

    Raises:
        ConflictError: It has not ended.
    """
    if row.state not in FINAL:
        raise ConflictError(f"job {row.id} is {row.state}; cancel it before deleting it")
    if not row.recorded:
        raise ConflictError(f"the provenance of job {row.id} is not recorded yet")
    audit.record(transaction, user.name, "delete", f"job {row.id}", row.user_name)
    earlier: list[str] = []
    if row.attempt > 1:
        query = select(JobAttempt.mark).where(JobAttempt.job_id == row.id)
        earlier = list(transaction.scalars(query))
    transaction.delete(row)
    return [job_folder.of(settings.work_folder, mark) for mark in (row.mark, *earlier)]
