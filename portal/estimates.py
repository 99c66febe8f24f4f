"""When jobs will be done, and with which batch engine: what was measured, put to the rules.

No engine is asked: what is known of them is what the dispatcher has written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from batch.engine import BatchEngine, Capability
from batch.resources import RESOURCE_NAMES
from ijp.catalog import CatalogSession
from ijp.errors import ValidationFailedError
from ijp.query import like_escaped, query
from jobdefs.command import Inputs
from jobdefs.job_type import JobType, RequestedResources
from portal import engine_facts, run_times
from portal.engines import Engines
from portal.model import IS_COMPLETED, JobRow
from portal.recent import Recent
from portal.routing import Candidate, Facts, Need, Route, route
from portal.run_times import FEWEST_SIZED, Run
from portal.selection import Selection
from portal.sessions import User
from portal.settings import BEST, PortalSettings
from portal.submitting import Act

RUNS = 50
_OWN_RUNS = 5
"""So many runs with one engine count for it alone."""
_MOST_SIZED = 5_000
_AT_ONCE = 500
_SIZES = (
    "SELECT f.dataset.id, SUM(f.fileSize) FROM Datafile f WHERE f.dataset.id IN {}"
    " GROUP BY f.dataset.id"
)
_FILE_SIZES = "SELECT f.id, f.fileSize FROM Datafile f WHERE f.id IN {}"
_runs: Recent[list[Run]] = Recent(10.0)
_facts: Recent[dict[str, Facts]] = Recent(10.0)
_sizes: Recent[Sizes] = Recent(30.0, most=100)
"""By session, as not everybody sees all files; for forms, which ask with each key pressed."""


@dataclass(frozen=True)
class Wanted:
    """What is to be run: jobs of a type, each with its inputs."""

    job_type: JobType
    inputs: Sequence[Inputs]
    choice: str = ""

    @property
    def selection(self) -> Selection:
        """All inputs, each once."""
        return Selection(
            tuple(dict.fromkeys(id for one in self.inputs for id in one.dataset_ids)),
            tuple(dict.fromkeys(id for one in self.inputs for id in one.datafile_ids)),
        )


class Estimates:
    """Says where jobs would go and when they would be done."""

    def __init__(self, settings: PortalSettings, database: Engine, engines: Engines) -> None:
        self._settings = settings
        self._database = database
        self._engines = engines

    def route(self, user: User, wanted: Wanted, sizes: Sizes | None = None) -> Route:
        """Where jobs would go.

        Args:
            sizes: Of the inputs; None: they are looked up if they can matter.
        """
        job_type = wanted.job_type
        runs = self._history(job_type.name)
        input_bytes = None
        if sum(one.input_bytes is not None for one in runs) >= FEWEST_SIZED:
            found = sizes or _sizes.get(
                (user.session_id, wanted.selection),
                lambda: Sizes.of(user.catalog, wanted.selection),
            )
            known = [size for one in wanted.inputs if (size := found.total(one)) is not None]
            input_bytes = round(mean(known)) if known else None
        facts = self._known_facts()
        near = self._near(user.catalog, wanted.selection)
        candidates = [
            Candidate(
                name=name,
                gives=_gives(engine),
                makes_arrays=Capability.ARRAYS in engine.capabilities,
                facts=facts.get(name),
                near=near.get(name, 0.0),
                run_time=run_times.of_runs(_of_engine(runs, name), input_bytes),
            )
            for name, engine in self._engines.items()
        ]
        if not self._engines.are_several:
            # what a single engine cannot do it says itself
            candidates = [replace(one, is_checked=False) for one in candidates]
        return route(_need(job_type, len(wanted.inputs), wanted.choice), candidates)

    def decided(self, user: User, act: Act) -> Act:
        """An act with its engine, and with the sizes of its inputs for later estimates.

        Raises:
            ValidationFailedError: No engine can run it, or not the one that the user wants.
        """
        choice = "" if act.engine == BEST else act.engine
        wanted = Wanted(act.job_type, [one.inputs for one in act.elements], choice)
        sizes = Sizes.of(user.catalog, wanted.selection)
        elements = [replace(one, input_bytes=sizes.total(one.inputs)) for one in act.elements]
        if not self._engines.are_several and choice in ("", self._engines.default_name):
            name = self._engines.default_name
            return replace(act, elements=elements, engine=name, engine_reason="")
        found = self.route(user, wanted, sizes)
        if found.fault:
            raise ValidationFailedError(found.fault, fields={"engine": [found.fault]})
        return replace(act, elements=elements, engine=found.engine, engine_reason=found.reason)

    def note_new_jobs(self) -> None:
        """Let the next jobs that are routed see those that were stored just now."""
        _facts.drop(id(self._database))

    def _history(self, job_type: str) -> list[Run]:
        return _runs.get(
            (id(self._database), job_type), lambda: history(self._database, job_type, self._engines)
        )

    def _known_facts(self) -> dict[str, Facts]:
        return _facts.get(
            id(self._database), lambda: engine_facts.read(self._database, self._engines)
        )

    def _near(self, session: CatalogSession, selection: Selection) -> dict[str, float]:
        """The part of the files that lies near each engine that says what does."""
        told = {
            name: its.near
            for name, its in self._settings.all_engines.items()
            if its.near and self._engines.are_several
        }
        if not told or not len(selection):
            return {}
        all_files = _number_of_files(session, selection)
        return {
            name: _number_of_files(session, selection, prefixes) / all_files
            for name, prefixes in told.items()
            if all_files
        }


@dataclass(frozen=True)
class Sizes:
    """How large datasets and datafiles are, by id, as far as the catalog knows."""

    datasets: Mapping[int, int]
    datafiles: Mapping[int, int]

    @classmethod
    def of(cls, session: CatalogSession, selection: Selection) -> Sizes:
        """Those of a selection; of very many inputs none are looked up."""
        if len(selection) > _MOST_SIZED:
            return cls({}, {})
        return cls(
            _pairs(session, _SIZES, selection.dataset_ids),
            _pairs(session, _FILE_SIZES, selection.datafile_ids),
        )

    def total(self, inputs: Inputs) -> int | None:
        """Of a job's inputs together; None if some are not known, or there are none."""
        found = [self.datasets.get(id) for id in inputs.dataset_ids]
        found += [self.datafiles.get(id) for id in inputs.datafile_ids]
        known = [one for one in found if one is not None]
        return sum(known) if known and len(known) == len(found) else None


def history(database: Engine, job_type: str, engines: Engines) -> list[Run]:
    """The last jobs of a type that completed, whoever's they were."""
    columns = (JobRow.engine, JobRow.started_at, JobRow.ended_at, JobRow.input_bytes)
    last = (
        select(*columns)
        .where(JobRow.job_type == job_type, IS_COMPLETED, JobRow.started_at.is_not(None))
        .order_by(JobRow.id.desc())
        .limit(RUNS)
    )
    with Session(database) as transaction:
        rows = transaction.execute(last).all()
    return [
        Run((ended - started).total_seconds(), input_bytes, engine or engines.default_name)
        for engine, started, ended, input_bytes in rows
        if started and ended and ended >= started
    ]


def _of_engine(runs: Sequence[Run], name: str) -> Sequence[Run]:
    """Those with one engine if they are enough; otherwise all."""
    own = [one for one in runs if one.engine == name]
    return own if len(own) >= _OWN_RUNS else runs


def _gives(engine: BatchEngine) -> frozenset[str]:
    names: frozenset[str] = getattr(engine, "resource_names", RESOURCE_NAMES)
    return names


def _need(job_type: JobType, jobs: int, choice: str) -> Need:
    resources: RequestedResources = job_type.resources
    asked = {"memory_mib": resources.memory_mib, "wall_seconds": resources.wall_minutes}
    return Need(
        jobs=max(1, jobs),
        cores=resources.cores or 1,
        memory_mib=resources.memory_mib,
        asked=frozenset(name for name, value in asked.items() if value is not None),
        wish=resources.engine or "",
        choice="" if choice == BEST else choice,
    )


def _pairs(session: CatalogSession, template: str, ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(ids), _AT_ONCE):
        rows = session.search(query(template, ids[start : start + _AT_ONCE]))
        found.update((int(id), int(size)) for id, size in rows if size is not None)
    return found


def _number_of_files(
    session: CatalogSession, selection: Selection, prefixes: Iterable[str] | None = None
) -> int:
    """How many files there are, or how many of those whose location begins so."""
    condition = ""
    patterns = [f"{like_escaped(one)}%" for one in prefixes or ()]
    if prefixes is not None:
        condition = " AND (" + " OR ".join(["f.location LIKE {} ESCAPE '!'"] * len(patterns)) + ")"
    number = 0
    for which, ids in (("f.dataset.id", selection.dataset_ids), ("f.id", selection.datafile_ids)):
        for start in range(0, len(ids), _AT_ONCE):
            text = f"SELECT COUNT(f) FROM Datafile f WHERE {which} IN {{}}{condition}"
            found = session.search(query(text, ids[start : start + _AT_ONCE], *patterns))
            number += int(found[0]) if found else 0
    return number
