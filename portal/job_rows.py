"""Rows of jobs: who may see which, found by reference or filter, and as records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from ijp.errors import NotAuthorizedError, NotFoundError
from ijp.query import like_escaped
from portal import planning
from portal.failure import of_text
from portal.job_record import Attempt, JobFilter, JobRecord
from portal.model import UNFINISHED, JobAttempt, JobRow
from portal.sessions import User
from portal.settings import PortalSettings
from portal.states import FINAL, State

_SAME = [
    "id",
    "public_id",
    "name",
    "job_type",
    "job_type_version",
    "user_name",
    "reason",
    "submitted_at",
    "options",
    "investigation_id",
    "wanted",
    "progress",
    "progress_message",
    "started_at",
    "ended_at",
    "exit_code",
    "signal",
    "cpu_seconds",
    "peak_memory_bytes",
    "node",
    "provenance_id",
    "resources",
    "sweep_id",
    "attempt",
    "recorded",
    "engine_reason",
]


def record_of(row: JobRow, settings: PortalSettings) -> JobRecord:
    """A job as pages and interfaces show it."""
    arguments = (*row.arguments, *planning.appended(settings, row.wants, row.id))
    fields: dict[str, Any] = {name: getattr(row, name) for name in _SAME}
    return JobRecord(
        **fields,
        state=State(row.state),
        command=(*row.program, *arguments),
        arguments=tuple(row.arguments),
        failure=of_text(row.failure_kind),
        current_mark=row.retry_mark or "",
        engine=row.engine or settings.engine,
    )


def attempt_of(row: JobAttempt) -> Attempt:
    """An earlier attempt as pages and interfaces show it."""
    names = [
        *("number", "mark", "reason", "resources", "started_at", "ended_at", "exit_code"),
        *("signal", "peak_memory_bytes", "cpu_seconds", "node", "provenance_id"),
    ]
    fields: dict[str, Any] = {name: getattr(row, name) for name in names}
    return Attempt(
        **fields,
        state=State(row.state),
        failure=of_text(row.failure_kind),
        output_ids=tuple(row.output_ids),
    )


def row_of(transaction: Session, user: User, reference: int | str) -> JobRow:
    """One job; a foreign one and none are not told apart.

    Raises:
        NotFoundError: There is none.
    """
    row = transaction.scalar(select(JobRow).where(_referred(reference)))
    if row is None or not (row.user_name == user.name or user.is_admin):
        raise NotFoundError(f"there is no job {reference} of yours")
    return row


def _referred(reference: int | str) -> ColumnElement[bool]:
    if (number := number_of(reference)) is not None:
        return JobRow.id == number
    mark = str(reference)[:26]
    earlier = select(JobAttempt.job_id).where(JobAttempt.mark == mark)
    return or_(JobRow.public_id == mark, JobRow.retry_mark == mark, JobRow.id.in_(earlier))


def number_of(reference: int | str) -> int | None:
    """The number that a reference is; None if it is a public id, or nothing."""
    text = str(reference)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def is_over(row: JobRow) -> bool:
    """Whether its program has ended, or will never start."""
    return row.state in FINAL or row.ended_at is not None


def whose(user: User, which: JobFilter) -> str | None:
    """Whose jobs a filter is about; None is everybody's.

    Raises:
        NotAuthorizedError: Other users' jobs are for administrators.
    """
    foreign = which.everybody or which.user_name not in (None, user.name)
    if foreign and not user.is_admin:
        raise NotAuthorizedError("other users' jobs are for administrators")
    if which.everybody and which.user_name is None:
        return None
    return which.user_name or user.name


def filtered(query: Select[Any], which: JobFilter, user_name: str | None) -> Select[Any]:
    """Restrict a query of jobs to those that a filter is about."""
    if user_name is not None:
        query = query.where(JobRow.user_name == user_name)
    if which.sweep_id is not None:
        query = query.where(JobRow.submission_id == which.sweep_id)
    if which.failure is not None:
        query = query.where(JobRow.failure_kind == which.failure)
    if which.states:
        query = query.where(JobRow.state.in_(which.states))
        if not FINAL & set(which.states):
            query = query.where(UNFINISHED)
    if which.submitted_since is not None:
        query = query.where(JobRow.submitted_at >= which.submitted_since)
    if which.job_type:
        query = query.where(JobRow.job_type == which.job_type)
    if which.text:
        pattern = f"%{like_escaped(which.text.lower())}%"
        # joined, so that case is dealt with once a row
        searched = JobRow.name + "\n" + JobRow.job_type + "\n" + JobRow.public_id
        searched = searched + "\n" + JobRow.reason
        query = query.where(func.lower(searched).like(pattern, escape="!"))
    return query
