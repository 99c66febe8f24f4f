"""What was made from what: the graph around a dataset, as the catalog shows it to the user."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ijp.catalog import CatalogSession, Entity
from ijp.errors import BadRequestError
from ijp.query import query
from portal.selection import entities

DEPTH = 2
MOST_DEPTH = 20
MOST_BESIDE_JOB = 12
MOST_SIBLINGS = 2
MOST_LOOSE_FILES = 4
MOST_NODES = 400
MOST_IN_CLOSURE = 10_000
JOB_MARK = "ijp.job"
"""The parameter type of a data collection that names the portal's job."""

_AT_ONCE = 300


class Kind(StrEnum):
    """What a node is."""

    DATASET = "dataset"
    DATAFILE = "datafile"
    JOB = "job"
    APPLICATION = "application"
    MORE = "more"


@dataclass(frozen=True)
class Node:
    """A thing in the graph.

    Attributes:
        id: Its kind and number, ``dataset:12``.
        detail: A second line: a dataset's type, a job's moment.
        number: Its id in the catalog; of ``more`` how many there are.
        earlier: There is more before it that is not in the graph.
        later: There is more after it that is not in the graph.
        public_id: Of a job, the portal's name for it; empty if the portal did not run it.
    """

    id: str
    kind: Kind
    label: str
    detail: str = ""
    number: int = 0
    earlier: bool = False
    later: bool = False
    public_id: str = ""


@dataclass(frozen=True)
class Edge:
    """From what came first: ``input`` into a job, ``output`` of it, a dataset ``contains`` a file,
    an application ``ran`` as a job."""

    source: str
    target: str
    kind: str


@dataclass
class Graph:
    """Nodes and edges around a root.

    Attributes:
        cut: It has been cut at ``MOST_NODES``.
    """

    root: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    cut: bool = False

    def sources(self, id: str) -> list[Node]:
        """What leads to a node."""
        return [self.nodes[edge.source] for edge in self.edges if edge.target == id]

    def targets(self, id: str) -> list[Node]:
        """What a node leads to."""
        return [self.nodes[edge.target] for edge in self.edges if edge.source == id]


@dataclass(frozen=True)
class Expansion:
    """How much to show: so many jobs both ways, and what was expanded besides."""

    depth: int = DEPTH
    datasets: frozenset[int] = frozenset()
    jobs: frozenset[int] = frozenset()
    files: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str], depth: int = DEPTH) -> Expansion:
        """Read ``dataset:12``, ``job:5`` and ``files:12``; commas and repetition are alike.

        Raises:
            BadRequestError: It is written differently.
        """
        found: dict[str, set[int]] = {"dataset": set(), "job": set(), "files": set()}
        for part in (part for text in texts for part in text.split(",") if part):
            kind, _, number = part.partition(":")
            if kind not in found or not (number.isascii() and number.isdigit()):
                raise BadRequestError(
                    f"expand takes dataset:12, job:5, files:12, not {part[:40]!r}"
                )
            found[kind].add(int(number))
        return cls(
            max(0, min(depth, MOST_DEPTH)),
            frozenset(found["dataset"]),
            frozenset(found["job"]),
            frozenset(found["files"]),
        )

    def with_one(self, kind: str, number: int) -> Expansion:
        """With one more thing expanded."""
        name = {"dataset": "datasets", "job": "jobs", "files": "files"}[kind]
        return replace(self, **{name: getattr(self, name) | {number}})

    def texts(self) -> list[str]:
        """What ``parse`` reads."""
        return [
            f"{kind}:{number}"
            for kind, numbers in (
                ("dataset", self.datasets),
                ("job", self.jobs),
                ("files", self.files),
            )
            for number in sorted(numbers)
        ]


_INCLUDE = " ".join(
    (
        " INCLUDE j.application,",
        "j.inputDataCollection AS taken, taken.dataCollectionDatasets AS takends,",
        "takends.dataset AS takend, takend.type,",
        "taken.dataCollectionDatafiles AS takendfs, takendfs.datafile AS takendf,",
        "takendf.dataset AS takendfd, takendfd.type,",
        "j.outputDataCollection AS given, given.dataCollectionDatasets AS givends,",
        "givends.dataset AS givend, givend.type,",
        "given.parameters AS marks, marks.type",
    )
)
_MADE_BY = (
    "SELECT j FROM Job j JOIN j.outputDataCollection.dataCollectionDatasets o"
    " WHERE o.dataset.id IN {}" + _INCLUDE,
)
_USED_BY = (
    "SELECT j FROM Job j JOIN j.inputDataCollection.dataCollectionDatasets o"
    " WHERE o.dataset.id IN {}" + _INCLUDE,
    "SELECT j FROM Job j JOIN j.inputDataCollection.dataCollectionDatafiles o"
    " WHERE o.datafile.dataset.id IN {}" + _INCLUDE,
)
_PARENTS = (
    "SELECT i.dataset.id FROM Job j JOIN j.outputDataCollection.dataCollectionDatasets o"
    " JOIN j.inputDataCollection.dataCollectionDatasets i WHERE o.dataset.id IN {}",
    "SELECT i.datafile.dataset.id FROM Job j JOIN j.outputDataCollection.dataCollectionDatasets o"
    " JOIN j.inputDataCollection.dataCollectionDatafiles i WHERE o.dataset.id IN {}",
)
_CHILDREN = (
    "SELECT o.dataset.id FROM Job j JOIN j.inputDataCollection.dataCollectionDatasets i"
    " JOIN j.outputDataCollection.dataCollectionDatasets o WHERE i.dataset.id IN {}",
    "SELECT o.dataset.id FROM Job j JOIN j.inputDataCollection.dataCollectionDatafiles i"
    " JOIN j.outputDataCollection.dataCollectionDatasets o WHERE i.datafile.dataset.id IN {}",
)
_HAS_MAKER = (
    "SELECT DISTINCT o.dataset.id, j.id FROM Job j"
    " JOIN j.outputDataCollection.dataCollectionDatasets o WHERE o.dataset.id IN {}",
)
_HAS_USER = (
    "SELECT DISTINCT i.dataset.id, j.id FROM Job j"
    " JOIN j.inputDataCollection.dataCollectionDatasets i WHERE i.dataset.id IN {}",
    "SELECT DISTINCT i.datafile.dataset.id, j.id FROM Job j"
    " JOIN j.inputDataCollection.dataCollectionDatafiles i WHERE i.datafile.dataset.id IN {}",
)


def ancestors(session: CatalogSession, dataset_id: int) -> tuple[int, ...]:
    """All datasets that a dataset was made from, however far back; the nearest first."""
    return _closure(session, dataset_id, _PARENTS)


def descendants(session: CatalogSession, dataset_id: int) -> tuple[int, ...]:
    """All datasets that were made from a dataset, however far on; the nearest first."""
    return _closure(session, dataset_id, _CHILDREN)


def _closure(session: CatalogSession, dataset_id: int, templates: Sequence[str]) -> tuple[int, ...]:
    seen = {dataset_id: None}
    frontier: list[int] = [dataset_id]
    while frontier and len(seen) < MOST_IN_CLOSURE:
        reached = sorted(set(_ids(session, templates, frontier)) - seen.keys())
        seen.update(dict.fromkeys(reached))
        frontier = reached
    return tuple(id for id in seen if id != dataset_id)


def _ids(session: CatalogSession, templates: Sequence[str], ids: Sequence[int]) -> Iterable[int]:
    return (int(row) for row in _rows(session, templates, ids) if row is not None)


def _rows(session: CatalogSession, templates: Sequence[str], ids: Sequence[int]) -> Iterable[Any]:
    for start in range(0, len(ids), _AT_ONCE):
        for template in templates:
            yield from session.search(query(template, ids[start : start + _AT_ONCE]))


def graph_of(session: CatalogSession, dataset_id: int, expansion: Expansion | None = None) -> Graph:
    """The graph around a dataset.

    Raises:
        NotFoundError, NotAuthorizedError: There is no such dataset for this user.
    """
    return _Walk(session, dataset_id, expansion or Expansion()).run()


class _Walk:
    def __init__(self, session: CatalogSession, dataset_id: int, expansion: Expansion) -> None:
        self._session = session
        self._root = dataset_id
        self._expansion = expansion
        self._jobs: dict[int, Entity] = {}
        self._explored: dict[str, set[int]] = {"back": set(), "on": set()}
        self._graph = Graph(f"dataset:{dataset_id}")

    def run(self) -> Graph:
        root = self._session.get("Dataset d INCLUDE d.type", self._root)
        self._dataset(root)
        for way, templates, beyond in (
            ("back", _MADE_BY, _taken_from),
            ("on", _USED_BY, _outputs),
        ):
            frontier = {self._root}
            for _ in range(self._expansion.depth):
                frontier = self._step(way, templates, frontier, beyond)
            self._step(way, templates, self._expansion.datasets, beyond)
        self._files(self._expansion.files)
        self._mark_ends()
        return self._graph

    def _step(
        self,
        way: str,
        templates: Sequence[str],
        ids: Collection[int],
        beyond: Callable[[Entity], Iterable[Entity]],
    ) -> set[int]:
        """Add the jobs beside these datasets; give the datasets on their other side."""
        wanted = sorted(set(ids) - self._explored[way])
        if not wanted or len(self._graph.nodes) >= MOST_NODES:
            self._graph.cut |= bool(wanted)
            return set()
        self._explored[way] |= set(wanted)
        reached: set[int] = set()
        for template in templates:
            for job in entities(self._session, template, wanted).values():
                if job["id"] not in self._jobs:
                    self._jobs[job["id"]] = job
                    self._job(job)
                reached.update(int(one["id"]) for one in beyond(job))
        # What stands in a "… more" node is reached when that is opened.
        return {id for id in reached if f"dataset:{id}" in self._graph.nodes}

    def _job(self, job: Entity) -> None:
        id, its = f"job:{job['id']}", job.get("application") or {}
        name = str(its.get("name", "job"))
        made = str(job.get("createTime", ""))[:16].replace("T", " ")
        self._add(Node(id, Kind.JOB, name, made, int(job["id"]), public_id=_public_id(job)))
        if its:
            program = f"application:{its['id']}"
            version = f"version {its['version']}"
            self._add(Node(program, Kind.APPLICATION, str(its["name"]), version))
            self._edge(program, id, "ran")
        opened = job["id"] in self._expansion.jobs
        for datasets, way in ((_inputs(job), "input"), (_outputs(job), "output")):
            self._beside(id, list(datasets), way, opened)
        self._single_files(id, job, opened)

    def _beside(self, job: str, datasets: list[Entity], way: str, opened: bool) -> None:
        # What is there already comes first, so that a chain is never cut by the limit.
        known = [one for one in datasets if f"dataset:{one['id']}" in self._graph.nodes]
        others = [one for one in datasets if one not in known]
        most = MOST_SIBLINGS if known else MOST_BESIDE_JOB
        shown = [*known, *(others if opened or len(others) <= most else others[: most - 1])]
        for one in shown:
            self._between(job, self._dataset(one), way)
        if rest := len(datasets) - len(shown):
            text = f"{rest} more dataset{'s' if rest > 1 else ''}"
            more = Node(f"more:{job}:{way}", Kind.MORE, text, "", rest)
            self._add(more)
            self._between(job, more.id, way)

    def _single_files(self, job_id: str, job: Entity, opened: bool) -> None:
        """Files that the job was given without their dataset; many stand as their dataset."""
        for parent, files in _loose_files(job):
            if opened or len(files) <= MOST_LOOSE_FILES:
                for file in files:
                    self._edge(self._file(file), job_id, "input")
                    self._edge(self._dataset(parent), f"datafile:{file['id']}", "contains")
            else:
                self._between(job_id, self._dataset(parent), "input")

    def _files(self, dataset_ids: Collection[int]) -> None:
        shown = [id for id in sorted(dataset_ids) if f"dataset:{id}" in self._graph.nodes]
        if not shown:
            return
        text = "SELECT f FROM Datafile f WHERE f.dataset.id IN {} ORDER BY f.id LIMIT 0, 200"
        for file in self._session.search(query(text + " INCLUDE f.dataset", shown)):
            if file.get("dataset"):
                self._edge(f"dataset:{file['dataset']['id']}", self._file(file), "contains")

    def _dataset(self, one: Entity) -> str:
        kind = (one.get("type") or {}).get("name", "")
        id = f"dataset:{one['id']}"
        self._add(Node(id, Kind.DATASET, str(one["name"]), str(kind), int(one["id"])))
        return id

    def _file(self, one: Entity) -> str:
        id = f"datafile:{one['id']}"
        self._add(Node(id, Kind.DATAFILE, str(one["name"]), "", int(one["id"])))
        return id

    def _add(self, node: Node) -> None:
        self._graph.nodes.setdefault(node.id, node)

    def _edge(self, source: str, target: str, kind: str) -> None:
        self._graph.edges.setdefault(Edge(source, target, kind))

    def _between(self, job: str, other: str, way: str) -> None:
        if way == "input":
            self._edge(other, job, way)
        # What a job both took and gave, such as a dataset that it added to, is drawn once.
        elif Edge(other, job, "input") not in self._graph.edges:
            self._edge(job, other, way)

    def _mark_ends(self) -> None:
        nodes = self._graph.nodes
        ids = [node.number for node in nodes.values() if node.kind is Kind.DATASET]
        for name, way, templates in (
            ("earlier", "back", _HAS_MAKER),
            ("later", "on", _HAS_USER),
        ):
            open_ends = sorted(set(ids) - self._explored[way])
            for id, job in _rows(self._session, templates, open_ends):
                if job not in self._jobs:
                    node = nodes[f"dataset:{id}"]
                    changes: Mapping[str, Any] = {name: True}
                    nodes[node.id] = replace(node, **changes)


def _linked(job: Entity, collection: str, what: str) -> list[Entity]:
    links = (job.get(collection) or {}).get(f"dataCollection{what.capitalize()}s", ())
    found = [dict(link[what]) for link in links if link.get(what)]
    return sorted(found, key=lambda one: int(one["id"]))


def _inputs(job: Entity) -> Iterable[Entity]:
    return _linked(job, "inputDataCollection", "dataset")


def _loose_files(job: Entity) -> list[tuple[Entity, list[Entity]]]:
    """Files whose datasets are not inputs themselves, by dataset."""
    whole = {int(one["id"]) for one in _inputs(job)}
    found: dict[int, tuple[Entity, list[Entity]]] = {}
    for file in _linked(job, "inputDataCollection", "datafile"):
        parent = file.get("dataset")
        if parent and int(parent["id"]) not in whole:
            found.setdefault(int(parent["id"]), (parent, []))[1].append(file)
    return list(found.values())


def _taken_from(job: Entity) -> Iterable[Entity]:
    """The datasets that a job took anything from."""
    yield from _inputs(job)
    yield from (parent for parent, _ in _loose_files(job))


def _outputs(job: Entity) -> Iterable[Entity]:
    return _linked(job, "outputDataCollection", "dataset")


def _public_id(job: Entity) -> str:
    marks = (job.get("outputDataCollection") or {}).get("parameters", ())
    named = (one for one in marks if (one.get("type") or {}).get("name") == JOB_MARK)
    return next((str(one.get("stringValue", "")) for one in named), "")
