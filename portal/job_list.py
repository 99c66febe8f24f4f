"""What a list of jobs shows beside their records: their inputs by name, and their lives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from ijp.catalog import CatalogSession
from portal.formats import duration
from portal.job_record import JobRecord
from portal.model import JobRow
from portal.moments import now
from portal.recent import Recent
from portal.selection import entities
from portal.states import State

NAMED = 3
_names: Recent[str] = Recent(60.0, most=20_000)
_DATASETS = "SELECT found FROM Dataset found WHERE found.id IN {}"
_DATAFILES = "SELECT found FROM Datafile found WHERE found.id IN {}"


@dataclass(frozen=True)
class Named:
    """A dataset or datafile by name; without one if the user cannot see it (any more)."""

    kind: str
    id: int
    name: str | None

    @property
    def address(self) -> str:
        """Its own page."""
        return (
            f"/datafiles/{self.id}/content" if self.kind == "datafile" else f"/datasets/{self.id}"
        )

    @property
    def shown(self) -> str:
        """What to call it."""
        return self.name or f"{self.kind} {self.id}"


@dataclass(frozen=True)
class Inputs:
    """What a job works on: the first few by name, and how many there are."""

    first: tuple[Named, ...] = ()
    total: int = 0

    @property
    def others(self) -> int:
        """How many are not named."""
        return self.total - len(self.first)


def inputs_of(
    database: Engine, session: CatalogSession, jobs: Sequence[JobRecord]
) -> dict[int, Inputs]:
    """The inputs of jobs by job id, in one query here and at most two at the catalog."""
    query = select(JobRow.id, JobRow.dataset_ids, JobRow.datafile_ids).where(
        JobRow.id.in_([job.id for job in jobs])
    )
    with database.connect() as connection:
        rows = connection.execute(query).all()
    first = {id: (sets[:NAMED], files[: max(0, NAMED - len(sets))]) for id, sets, files in rows}
    datasets = named(session, "dataset", (one for sets, _ in first.values() for one in sets))
    datafiles = named(session, "datafile", (one for _, files in first.values() for one in files))
    return {
        id: Inputs(
            (*(datasets[one] for one in first[id][0]), *(datafiles[one] for one in first[id][1])),
            len(sets) + len(files),
        )
        for id, sets, files in rows
    }


def named(session: CatalogSession, kind: str, ids: Iterable[int]) -> dict[int, Named]:
    """Datasets or datafiles by id, all of them, with the names that this user may see."""
    wanted = list(dict.fromkeys(ids))
    names = {id: _names.peek((session.session_id, kind, id)) for id in wanted}
    unknown = [id for id, name in names.items() if name is None]
    template = _DATASETS if kind == "dataset" else _DATAFILES
    for id, entity in entities(session, template, unknown).items():
        key = (session.session_id, kind, id)
        names[id] = _names.get(key, lambda name=str(entity["name"]): name)  # type: ignore[misc]
    return {id: Named(kind, id, names[id]) for id in wanted}


@dataclass(frozen=True)
class Span:
    """A part of a life bar, in hundredths of the whole."""

    kind: str
    start: int
    width: int


@dataclass(frozen=True)
class Life:
    """How long a job waited and how long it ran, as a bar and in words."""

    parts: tuple[Span, ...]
    text: str


_ENDINGS = {State.COMPLETED: "good", State.FAILED: "bad", State.CANCELLED: "quiet"}


def life_of(job: JobRecord) -> Life:
    """A job's life until it ended, or until now."""
    end = job.ended_at or now()
    start = job.started_at or end
    waited = max(0.0, (start - job.submitted_at).total_seconds())
    ran = max(0.0, (end - start).total_seconds())
    share = round(100 * waited / (waited + ran)) if waited + ran else 0
    kind = _ENDINGS.get(job.state, "running")
    parts = (Span("waiting", 0, share), Span(kind, share, 100 - share))
    if job.started_at is None:
        whole = Span("quiet" if job.is_final else "waiting", 0, 100)
        return Life((whole,), f"waited {duration(end - job.submitted_at)}")
    verb = "ran" if job.ended_at else "running for"
    text = f"waited {duration(waited)}, {verb} {duration(ran)}"
    return Life(tuple(part for part in parts if part.width), text)
