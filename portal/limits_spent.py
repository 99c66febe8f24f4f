"""Computing time of investigations: what their jobs have used in a period, and may still use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Select,
    case,
    cast,
    delete,
    extract,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from portal.limits import Period
from portal.model import UNFINISHED, DeletedRun, JobAttempt, JobRow
from portal.moments import UtcDateTime, now

SECONDS = 3600.0
_LONGEST_PERIOD = timedelta(days=366)
_CORES = func.coalesce(JobRow.resources["cores"].as_integer(), 1)


def used(
    transaction: Session, period: Period, moment: datetime, ids: Collection[int]
) -> dict[int, float]:
    """Core-hours by investigation id, of what ran in the period up to a moment; also deleted."""
    runs = _runs(period, moment, ids).subquery()
    starts = case(
        (runs.c.started_at < period.start, int(period.start.timestamp())),
        else_=_seconds(runs.c.started_at),
    )
    lasted = _seconds(runs.c.ended_at) - starts
    query = select(
        runs.c.investigation_id, func.sum(case((lasted > 0, lasted), else_=0) * runs.c.cores)
    ).group_by(runs.c.investigation_id)
    return {id: float(seconds) / SECONDS for id, seconds in transaction.execute(query)}


def _runs(period: Period, moment: datetime, ids: Collection[int]) -> Any:
    """What ran: jobs as they are now, attempts before, and jobs that are deleted."""
    until = func.coalesce(JobRow.ended_at, literal(moment, UtcDateTime))
    jobs = select(
        JobRow.investigation_id,
        JobRow.started_at,
        until.label("ended_at"),
        _CORES.label("cores"),
    ).where(JobRow.investigation_id.in_(ids), JobRow.started_at.is_not(None))
    attempts = (
        select(
            JobRow.investigation_id,
            JobAttempt.started_at,
            JobAttempt.ended_at,
            func.coalesce(JobAttempt.resources["cores"].as_integer(), 1),
        )
        .join(JobRow, JobRow.id == JobAttempt.job_id)
        .where(JobRow.investigation_id.in_(ids), JobAttempt.started_at.is_not(None))
        .where(JobAttempt.ended_at > period.start)
    )
    deleted = select(
        DeletedRun.investigation_id, DeletedRun.started_at, DeletedRun.ended_at, DeletedRun.cores
    ).where(DeletedRun.investigation_id.in_(ids), DeletedRun.ended_at > period.start)
    return union_all(jobs.where(until > period.start), attempts, deleted)


def _seconds(moment: Any) -> Any:
    return cast(extract("epoch", moment), BigInteger)


def reserved(transaction: Session, moment: datetime, ids: Collection[int]) -> dict[int, float]:
    """Core-hours by investigation id that unfinished jobs may still use, by their time limits."""
    jobs = (
        select(
            JobRow.investigation_id,
            JobRow.started_at,
            JobRow.resources["wallMinutes"].as_integer().label("minutes"),
            _CORES.label("cores"),
        )
        .where(UNFINISHED, JobRow.ended_at.is_(None), JobRow.investigation_id.in_(ids))
        .subquery()
    )
    query: Select[Any] = select(*jobs.c, func.count()).group_by(*jobs.c)
    found: dict[int, float] = defaultdict(float)
    for id, started, wall_minutes, cores, number in transaction.execute(query):
        ran = (moment - started).total_seconds() if started else 0.0
        left = max(0.0, 60.0 * (wall_minutes or 0) - ran)
        found[id] += left * cores * number / SECONDS
    return dict(found)


def keep(transaction: Session, row: JobRow) -> None:
    """Remember what a job has used that is deleted in this transaction."""
    if row.investigation_id is None:
        return
    attempts = transaction.scalars(select(JobAttempt).where(JobAttempt.job_id == row.id))
    for one in (row, *(attempts if row.attempt > 1 else ())):
        if one.started_at is not None and one.ended_at is not None:
            transaction.add(
                DeletedRun(
                    investigation_id=row.investigation_id,
                    started_at=one.started_at,
                    ended_at=one.ended_at,
                    cores=int(one.resources.get("cores") or 1),
                )
            )
    forgotten = DeletedRun.ended_at < now() - _LONGEST_PERIOD
    of_it = DeletedRun.investigation_id == row.investigation_id
    transaction.execute(delete(DeletedRun).where(of_it, forgotten))
