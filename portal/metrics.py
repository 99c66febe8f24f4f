"""What is counted of jobs and of the dispatcher, for ``/metrics``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from portal.changes import Change
from portal.failure import Failure
from portal.model import UNFINISHED, JobRow
from portal.recent import Recent
from portal.states import FINAL, State

log = logging.getLogger(__name__)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RECENT_SECONDS = 2.0

POLLS = Histogram(
    "ijp_poll_seconds",
    "How long it took to ask a batch system about all jobs, and to note what it said.",
    ("engine",),
    buckets=_SECONDS,
)
SILENT_POLLS = Counter(
    "ijp_silent_polls_total", "Polls that a batch system did not answer.", ("engine",)
)
LOST_LEASES = Counter(
    "ijp_lost_leases_total",
    "Leases that went to another process while this one had them.",
    ("lease",),
)
_LOST = Counter(
    "ijp_lost_jobs_total", "Jobs that a batch system does not know any more.", ("engine",)
)
_REQUEUED = Counter(
    "ijp_requeued_jobs_total",
    "Running jobs that a batch system put back into its queue.",
    ("engine",),
)


def count_changes(engine: str, rows: Iterable[JobRow], changes: Iterable[Change]) -> None:
    """Count what a poll brought to light."""
    running = {row.id for row in rows if row.state == State.EXECUTING}
    for one in changes:
        if one.values.get("failure_kind") == Failure.LOST:
            _LOST.labels(engine).inc()
        if one.job_id in running and one.values.get("state") == State.QUEUED:
            _REQUEUED.labels(engine).inc()


class _Jobs(Collector):
    """How many unfinished jobs there are, asked for at each scrape."""

    def __init__(self) -> None:
        self._database: Engine | None = None
        self._default = ""
        self._kept: Recent[dict[tuple[str, str], int]] = Recent(_RECENT_SECONDS)

    def watch(self, database: Engine, default_engine: str) -> None:
        """Tell of the jobs in this database, whose default engine has this name."""
        self._database, self._default = database, default_engine
        self._kept.forget()

    def collect(self) -> Iterator[Metric]:
        """The numbers by engine and state; without a database, or an answer of it, none."""
        told = GaugeMetricFamily(
            "ijp_jobs", "Jobs that are not finished, by their state.", labels=("engine", "state")
        )
        counts: dict[tuple[str, str], int] = {}
        for (engine, state), count in self._counts().items():
            key = (engine or self._default, state)
            counts[key] = counts.get(key, 0) + count
        for key, count in counts.items():
            told.add_metric(key, count)
        yield told

    def _counts(self) -> dict[tuple[str, str], int]:
        database = self._database
        if database is None:
            return {}
        try:
            return self._kept.get("", lambda: _counted(database))
        except SQLAlchemyError as error:
            log.warning("jobs cannot be counted for the metrics: %s", error)
            return {}


def _counted(database: Engine) -> dict[tuple[str, str], int]:
    counts = {("", str(state)): 0 for state in State if state not in FINAL}
    query = (
        select(JobRow.engine, JobRow.state, func.count())
        .where(UNFINISHED)
        .group_by(JobRow.engine, JobRow.state)
    )
    with database.connect() as connection:
        for engine, state, count in connection.execute(query):
            counts[engine, state] = count
    return counts


JOBS = _Jobs()
REGISTRY.register(JOBS)
