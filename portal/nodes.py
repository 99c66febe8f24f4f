"""The hosts that run jobs, as pages and programs see them, and what administrators do with them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from batch.engine import Capability
from batch.monitoring.measures import known_as
from ijp.errors import BadRequestError, EngineError, NotFoundError, NotImplementedHereError
from portal import audit, monitoring
from portal.model import UNFINISHED, JobRow, NodeRow, NodeSourceRow
from portal.moments import now
from portal.monitoring import Batch
from portal.states import State
from servicekit.database import writing

log = logging.getLogger(__name__)

MOST_NOTE = 200
_MEASURED = ("load_5", "load_15", "memory_used_bytes", "disk_bytes", "disk_free_bytes", "users")
_OLD_AFTER_LOOKS = 4
_OLD_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class NodeRecord:
    """A host that runs jobs.

    Attributes:
        engine: By what name the settings have its batch system.
        online: Whether new jobs are started there.
        slots: How many cores jobs may use there, ``slots_used`` how many they use.
        state: In the batch system's own words.
        reason: Why it takes no jobs, as somebody or the system wrote it down.
        told_at: When the batch system said all this.
        load_1: The average number of processes that wanted to run in the last minute.
        cores: As measured, else ``slots``.
        measured_at: When the rest was measured; None if it was not.
        is_old: What the batch system said is older than it should be.
        jobs: How many of the portal's jobs run there, ``own_jobs`` how many of the user's.
        can_change: Whether its batch system can set it offline and online.
    """

    engine: str
    name: str
    online: bool
    slots: int
    slots_used: int
    state: str
    reason: str
    features: tuple[str, ...]
    queues: tuple[str, ...]
    told_at: datetime
    load_1: float | None
    load_5: float | None
    load_15: float | None
    cores: int
    memory_bytes: int | None
    memory_used_bytes: int | None
    disk_bytes: int | None
    disk_free_bytes: int | None
    gpus: int
    users: int | None
    measured_at: datetime | None
    is_old: bool
    is_measured_long_ago: bool
    jobs: int
    own_jobs: int
    can_change: bool

    @property
    def load_fraction(self) -> float | None:
        """The load of a core."""
        return None if self.load_1 is None or not self.cores else self.load_1 / self.cores

    @property
    def memory_fraction(self) -> float | None:
        """How much of the memory is used."""
        if self.memory_used_bytes is None or not self.memory_bytes:
            return None
        return self.memory_used_bytes / self.memory_bytes


@dataclass(frozen=True)
class SilentSource:
    """Somebody who knows of hosts and does not answer at the moment."""

    name: str
    fault: str
    answered_at: datetime | None


def nodes_of(services: Batch, user_name: str = "") -> list[NodeRecord]:
    """The hosts as they were when they were last looked at; nobody is asked for this."""
    query = select(NodeRow).order_by(NodeRow.engine, NodeRow.name)
    with Session(services.database) as transaction:
        rows = transaction.scalars(query).all()
        hosts: dict[str, set[str]] = {}
        for row in rows:
            hosts.setdefault(row.engine, set()).add(row.name)
        jobs = _jobs(transaction, hosts, services.engines.default_name, user_name)
    interval = timedelta(seconds=services.settings.monitoring.interval_seconds)
    oldest = now() - max(_OLD_AFTER, _OLD_AFTER_LOOKS * interval)
    none = (0, 0)
    return [_record(services, row, jobs.get((row.engine, row.name), none), oldest) for row in rows]


def silent_sources(services: Batch) -> list[SilentSource]:
    """Who did not answer when it was last asked."""
    query = (
        select(NodeSourceRow.name, NodeSourceRow.fault, NodeSourceRow.answered_at)
        .where(NodeSourceRow.fault != "")
        .order_by(NodeSourceRow.name)
    )
    with services.database.connect() as connection:
        return [SilentSource(*row) for row in connection.execute(query)]


def set_offline(
    services: Batch, user_name: str, name: str, *, note: str, engine: str = ""
) -> NodeRecord:
    """Have no new jobs start on a host; those that run there go on.

    Args:
        note: Why, for everybody to see.
        engine: Needed where several batch systems have a host of this name.

    Raises:
        BadRequestError: There is no note, or it is too long, or several hosts have this name.
        NotFoundError: There is no such host.
        NotImplementedHereError: Its batch system cannot do this.
        EngineError: It did not.
    """
    note = " ".join(note.split())
    if not note or len(note) > MOST_NOTE or not note.isprintable():
        raise BadRequestError(f"say why, in up to {MOST_NOTE} characters")
    found = _changeable(services, name, engine)
    services.engines[found.engine].set_offline(name, note)
    return _changed(services, user_name, found, "set node offline", note)


def set_online(services: Batch, user_name: str, name: str, *, engine: str = "") -> NodeRecord:
    """Let a host run jobs again; raises as ``set_offline``."""
    found = _changeable(services, name, engine)
    services.engines[found.engine].set_online(name)
    return _changed(services, user_name, found, "set node online", "")


def _changeable(services: Batch, name: str, engine: str) -> NodeRecord:
    found = [one for one in nodes_of(services) if one.name == name and engine in ("", one.engine)]
    if not found:
        raise NotFoundError(f"there is no host {name!r}")
    if len(found) > 1:
        several = ", ".join(one.engine for one in found)
        raise BadRequestError(f"several batch systems have a host {name!r}, name one: {several}")
    if not found[0].can_change:
        raise NotImplementedHereError(
            f"the batch system {found[0].engine!r} cannot set hosts offline"
        )
    return found[0]


def _changed(
    services: Batch, user_name: str, node: NodeRecord, action: str, note: str
) -> NodeRecord:
    with Session(writing(services.database)) as transaction, transaction.begin():
        audit.record(transaction, user_name, action, f"{node.engine} {node.name}", note)
    try:
        monitoring.look_at_engine(services, node.engine)
    except EngineError as error:
        log.warning("%s: %s is done, but how it is now is not told: %s", node.name, action, error)
    key = (node.engine, node.name)
    return next((one for one in nodes_of(services) if (one.engine, one.name) == key), node)


def _jobs(
    transaction: Session, hosts: Mapping[str, Collection[str]], default: str, user_name: str
) -> dict[tuple[str, str], tuple[int, int]]:
    """How many jobs of all users, and of one, run on each host of each batch system."""
    query = (
        select(JobRow.engine, JobRow.node, JobRow.user_name, func.count())
        .where(UNFINISHED, JobRow.state == State.EXECUTING, JobRow.node.is_not(None))
        .group_by(JobRow.engine, JobRow.node, JobRow.user_name)
    )
    found: dict[tuple[str, str], tuple[int, int]] = {}
    known: dict[tuple[str, str], str | None] = {}
    for of_engine, node, of_user, count in transaction.execute(query):
        engine = of_engine or default
        key = (engine, str(node))
        if key not in known:
            known[key] = known_as((key[1],), hosts.get(engine, ()))
        if name := known[key]:
            all_jobs, own = found.get((engine, name), (0, 0))
            more = count if of_user == user_name else 0
            found[engine, name] = (all_jobs + count, own + more)
    return found


def _record(services: Batch, row: NodeRow, jobs: tuple[int, int], oldest: datetime) -> NodeRecord:
    told: dict[str, Any] = row.told
    measured: dict[str, Any] = row.measured
    engine = services.engines.get(row.engine)
    load = measured.get("load_1")
    same: dict[str, Any] = {
        name: told[name] for name in ("online", "slots", "slots_used", "state", "reason")
    }
    same |= {name: measured.get(name) for name in _MEASURED}
    return NodeRecord(
        engine=row.engine,
        name=row.name,
        **same,
        features=tuple(told["features"]),
        queues=tuple(told["queues"]),
        told_at=row.told_at,
        load_1=told["load"] if load is None else load,
        cores=measured.get("cores") or told["slots"],
        memory_bytes=measured.get("memory_bytes") or told["memory_bytes"],
        gpus=told["gpus"] or measured.get("gpus") or 0,
        measured_at=row.measured_at,
        is_old=row.told_at < oldest,
        is_measured_long_ago=row.measured_at is not None and row.measured_at < oldest,
        jobs=jobs[0],
        own_jobs=jobs[1],
        can_change=engine is not None and Capability.NODE_OFFLINE in engine.capabilities,
    )
