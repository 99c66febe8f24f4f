"""How many jobs a user has under way, for the strip on every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, func, select

from portal.model import UNFINISHED, JobRow
from portal.moments import now
from portal.recent import Recent
from portal.services import Services
from portal.states import State

_RECENT_JOBS = 500
_FAILED_WITHIN = timedelta(days=1)
_kept: Recent[JobCounts] = Recent(2.0)


@dataclass(frozen=True)
class JobCounts:
    """Unfinished jobs, and those of the user's last five hundred that failed within a day."""

    running: int = 0
    waiting: int = 0
    failed: int = 0

    @property
    def any(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.running or self.waiting or self.failed)

    @staticmethod
    def of(services: Services, user_name: str) -> JobCounts:
        """Those of a user, up to two seconds old."""
        key = (id(services.database), user_name)
        return _kept.get(key, lambda: _count(services.database, user_name))


def _count(database: Engine, user_name: str) -> JobCounts:
    unfinished = (
        select(JobRow.state, func.count())
        .where(JobRow.user_name == user_name, UNFINISHED)
        .group_by(JobRow.state)
    )
    last = (
        select(JobRow.state, JobRow.ended_at)
        .where(JobRow.user_name == user_name)
        .order_by(JobRow.id.desc())
        .limit(_RECENT_JOBS)
        .subquery()
    )
    failed = (
        select(func.count())
        .select_from(last)
        .where(last.c.state == State.FAILED, last.c.ended_at > now() - _FAILED_WITHIN)
    )
    with database.connect() as connection:
        by_state = dict(connection.execute(unfinished).all())
        running = by_state.pop(State.EXECUTING, 0)
        return JobCounts(running, sum(by_state.values()), connection.scalar(failed) or 0)
