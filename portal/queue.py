"""What waits and runs: by user for whoever runs the portal, by queue for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, case, func, select

from portal.model import UNFINISHED, Audit, JobRow
from portal.nodes import NodeRecord, nodes_of
from portal.services import Services
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


@dataclass(frozen=True)
class BatchQueue:
    """A queue of the batch system; the name is that of the engine where it has none."""

    name: str
    hosts: int
    hosts_online: int
    slots: int
    slots_used: int


@dataclass(frozen=True)
class Queues:
    """The queues, how many of the portal's jobs run and wait, and how many of one user."""

    queues: tuple[BatchQueue, ...]
    running: int
    waiting: int
    own_running: int
    own_waiting: int


def queues_of(services: Services, user_name: str) -> Queues:
    """The queues with their hosts as these were last looked at; no batch system is asked."""
    nodes = nodes_of(services)
    names = sorted({name for one in nodes for name in _names(one)})
    shares = queue_of(services.database).shares
    own = [one for one in shares if one.user_name == user_name]
    return Queues(
        tuple(_queue(name, [one for one in nodes if name in _names(one)]) for name in names),
        running=sum(one.running for one in shares),
        waiting=sum(one.waiting for one in shares),
        own_running=sum(one.running for one in own),
        own_waiting=sum(one.waiting for one in own),
    )


def _names(node: NodeRecord) -> tuple[str, ...]:
    return node.queues or (node.engine,)


def _queue(name: str, nodes: list[NodeRecord]) -> BatchQueue:
    online = [one for one in nodes if one.online]
    return BatchQueue(
        name=name,
        hosts=len(nodes),
        hosts_online=len(online),
        slots=sum(one.slots for one in online),
        slots_used=sum(one.slots_used for one in online),
    )
