"""The hosts that run jobs: looked at in the background for all users, kept for all pages.

The batch systems tell which hosts there are; Ganglia and Prometheus add what they measure on those.
Who does not answer leaves what was known before, with its age.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from batch.engine import BatchEngine, Capability, Node
from batch.monitoring.measures import VALUES, Measures, known_as, together
from batch.monitoring.sources import Answer, ask_all
from ijp.errors import PortalError
from portal.engines import Engines
from portal.model import NodeRow, NodeSourceRow
from portal.moments import now
from portal.settings import PortalSettings
from servicekit.database import writing

log = logging.getLogger(__name__)

_LONGEST_NAME = 255
_TURNS = 4
_TO_BECOME_LEADER_SECONDS = 2.0


class Batch(Protocol):
    """What of the portal's services is needed to know the hosts."""

    @property
    def settings(self) -> PortalSettings:
        """The portal's."""

    @property
    def database(self) -> Engine:
        """The portal's own."""

    @property
    def engines(self) -> Engines:
        """The batch engines."""


class Monitoring:
    """Looks at the hosts from time to time, in a thread of its own."""

    def __init__(self, services: Batch, is_leading: Callable[[], bool] = lambda: True) -> None:
        """Work for a portal.

        Args:
            is_leading: Whether this process may act now.
        """
        self._services = services
        self._is_leading = is_leading
        self._settings = services.settings.monitoring
        self._sources = self._settings.sources()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitoring", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin to end; ``join`` waits for it."""
        self._stopped.set()

    def join(self, seconds: float) -> None:
        """Wait until the look that is being taken is over."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                is_leading = self._is_leading()
                if is_leading:
                    self.look()
            except Exception:
                log.exception("the hosts could not be looked at")
                is_leading = True
            interval = self._settings.interval_seconds
            self._stopped.wait(interval if is_leading else min(interval, _TO_BECOME_LEADER_SECONDS))

    def look(self) -> None:
        """Ask everybody, and keep what they say."""
        told, answers = _told_by_all(self._services.engines)
        seconds = self._settings.timeout_seconds
        answers += ask_all(self._sources, seconds=seconds, in_all_seconds=_TURNS * seconds)
        with Session(writing(self._services.database)) as transaction, transaction.begin():
            _keep_answers(transaction, answers)
            _keep_nodes(transaction, self._services.engines, told)
            measures = [one for answer in answers for one in answer.measures]
            _keep_measures(transaction, measures)


def look_at_engine(services: Batch, name: str) -> None:
    """Ask one batch system at once, as something was changed there.

    Raises:
        EngineError: It does not answer.
    """
    told = {name: _ask(services.engines[name])}
    with Session(writing(services.database)) as transaction, transaction.begin():
        _keep_nodes(transaction, services.engines, told)


@dataclass(frozen=True)
class _Told:
    """What a batch system said, and when it was asked."""

    at: datetime
    nodes: list[Node]


def _ask(engine: BatchEngine) -> _Told:
    at = now()
    return _Told(at, [one for one in engine.nodes() if _is_usable(one.name)])


def _is_usable(name: str) -> bool:
    return name.isprintable() and 0 < len(name) <= _LONGEST_NAME


def _told_by_all(engines: Mapping[str, BatchEngine]) -> tuple[dict[str, _Told], list[Answer]]:
    """What the batch systems say, by name, without those that say nothing; and how it went."""
    told, answers = {}, []
    for name, engine in engines.items():
        if Capability.NODES not in engine.capabilities:
            continue
        fault = ""
        try:
            told[name] = _ask(engine)
        except PortalError as error:
            fault = error.message
        except Exception as error:
            log.exception("the batch system %s cannot be asked for its hosts", name)
            fault = f"{type(error).__name__}: {error}"
        answers.append(Answer(f"batch system {name}", fault=fault))
    return told, answers


def _keep_answers(transaction: Session, answers: Sequence[Answer]) -> None:
    kept = {row.name: row for row in transaction.scalars(select(NodeSourceRow))}
    asked = {one.source[:_LONGEST_NAME]: one for one in answers}
    for name in kept.keys() - asked.keys():
        transaction.delete(kept[name])
    for name, answer in asked.items():
        row = kept.get(name) or NodeSourceRow(name=name, answered_at=None)
        if answer.fault and row.fault != answer.fault[:1000]:
            log.warning("%s does not tell of hosts: %s", name, answer.fault)
        row.fault = answer.fault[:1000]
        row.answered_at = row.answered_at if answer.fault else now()
        transaction.add(row)


def _keep_nodes(
    transaction: Session, engines: Mapping[str, BatchEngine], told: Mapping[str, _Told]
) -> None:
    """Keep the hosts of the batch systems that answered, and drop those that are gone.

    What was asked later is kept: two may ask at a time, as when a host was just set offline.
    """
    kept = {(row.engine, row.name): row for row in transaction.scalars(select(NodeRow))}
    here = {(name, one.name): one for name, said in told.items() for one in said.nodes}
    for key, row in kept.items():
        is_gone = key[0] in told and key not in here
        if is_gone or key[0] not in engines:
            transaction.delete(row)
    for (name, host), node in here.items():
        found = kept.get((name, host))
        if found is None:
            found = NodeRow(engine=name, name=host, measured={}, measured_at=None)
            transaction.add(found)
        elif found.told_at > told[name].at:
            continue
        found.told, found.told_at = asdict(node), told[name].at


def _keep_measures(transaction: Session, measures: Sequence[Measures]) -> None:
    """Keep what was measured on hosts that are known; what is older than what is kept is not."""
    transaction.flush()
    moment = now()
    rows: dict[str, dict[str, NodeRow]] = {}
    for row in transaction.scalars(select(NodeRow)):
        rows.setdefault(row.engine, {})[row.name] = row
    for of_engine in rows.values():
        by_name: dict[str, list[Measures]] = {}
        for one in measures:
            if name := known_as(one.hosts, of_engine):
                by_name.setdefault(name, []).append(one)
        for name, found in by_name.items():
            _keep_measured(of_engine[name], found, moment)


def _keep_measured(row: NodeRow, found: Sequence[Measures], moment: datetime) -> None:
    newest = together(found)
    if newest is None:
        return
    at = moment - timedelta(seconds=min(newest.age_seconds, 1e9))
    if row.measured_at is None or at >= row.measured_at:
        row.measured = {name: getattr(newest, name) for name in VALUES}
        row.measured_at = at
