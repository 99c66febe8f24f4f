"""What is known of the batch engines without asking them: from hosts and jobs in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import Session

from portal import following
from portal.engines import Engines
from portal.model import UNFINISHED, JobRow, NodeRow, NodeSourceRow
from portal.moments import now
from portal.routing import Facts, Shape
from portal.states import State

OLD = timedelta(minutes=5)
"""From when on what a batch system said tells nothing about now."""
_MIB = 1024 * 1024
_SOURCE = "batch system {}"
"""What ``portal.monitoring`` calls an engine that it asks for its hosts."""
_WAITING = (State.STAGING, State.QUEUED)


def read(database: Engine, engines: Engines) -> dict[str, Facts]:
    """What is known of each engine."""
    counts: dict[tuple[str, str], int] = {}
    silences = {following.silence_of(engines, name) for name in engines}
    is_silent = func.max(case((JobRow.reason.in_(silences), 1), else_=0))
    by_state = (
        select(JobRow.engine, JobRow.state, func.count(), is_silent)
        .where(UNFINISHED)
        .group_by(JobRow.engine, JobRow.state)
    )
    faults = select(NodeSourceRow.name).where(NodeSourceRow.fault != "")
    nodes: dict[str, list[NodeRow]] = {name: [] for name in engines}
    with Session(database) as transaction:
        of_sources = set(transaction.scalars(faults))
        silent = {name for name in engines if _SOURCE.format(name) in of_sources}
        for engine, state, number, says_nothing in transaction.execute(by_state):
            name = engine or engines.default_name
            counts[name, state] = counts.get((name, state), 0) + number
            if says_nothing:
                silent.add(name)
        for row in transaction.scalars(select(NodeRow).where(NodeRow.told_at > now() - OLD)):
            nodes.get(row.engine, []).append(row)
    return {
        name: facts_of(
            [one.told for one in nodes[name]],
            answers=name not in silent,
            running=counts.get((name, State.EXECUTING), 0),
            waiting=sum(counts.get((name, one), 0) for one in _WAITING),
        )
        for name in engines
    }


def facts_of(
    nodes: Sequence[Mapping[str, Any]], *, answers: bool, running: int, waiting: int
) -> Facts:
    """Facts from hosts, as ``NodeRow.told`` has them; offline ones may come back."""
    online = [one for one in nodes if one["online"]]
    shapes = {
        Shape(one["slots"], one["memory_bytes"] and one["memory_bytes"] // _MIB) for one in nodes
    }
    used = sum(one["slots_used"] for one in online)
    return Facts(
        answers=answers,
        slots=sum(one["slots"] for one in online) if nodes else None,
        # what began since the hosts were looked at has a core each, too
        slots_used=max(used, running) if nodes else None,
        running=running,
        waiting=waiting,
        shapes=tuple(sorted(shapes, key=lambda one: (one.cores, one.memory_mib or 0))),
    )
