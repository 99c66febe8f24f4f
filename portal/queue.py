"""What waits and runs, by user: for whoever runs the portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, case, func, select

from portal.model import UNFINISHED, Audit, JobRow
from portal.states import State

MOST_ACTIONS = 20


@dataclass(frozen=True)
class Share:
    """One user's unfinished jobs."""

    user_name: str
    running: int
    waiting: int
    oldest: datetime


@dataclass(frozen=True)
class Action:
    """Something that somebody did."""

    at: datetime
    user_name: str
    action: str
    subject: str


@dataclass(frozen=True)
class Queue:
    """Who has jobs under way, those with most first, and what was done last."""

    shares: tuple[Share, ...]
    actions: tuple[Action, ...]


def queue_of(database: Engine) -> Queue:
    """The queue now."""
    running = func.sum(case((JobRow.state == State.EXECUTING, 1), else_=0))
    shares = (
        select(JobRow.user_name, running, func.count(), func.min(JobRow.submitted_at))
        .where(UNFINISHED)
        .group_by(JobRow.user_name)
        .order_by(func.count().desc())
    )
    actions = (
        select(Audit.at, Audit.user_name, Audit.action, Audit.subject)
        .order_by(Audit.id.desc())
        .limit(MOST_ACTIONS)
    )
    with database.connect() as connection:
        return Queue(
            tuple(
                Share(name, int(now), int(all) - int(now), oldest)
                for name, now, all, oldest in connection.execute(shares)
            ),
            tuple(Action(*row) for row in connection.execute(actions)),
        )
