"""The definitions of a facility's folder, read again when its files change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jobdefs.document import UnreadableError
from jobdefs.families import Families, read_families
from jobdefs.job_type import JobType
from jobdefs.layout import (
    DATAFILE_ITEMS,
    DATASET_ITEMS,
    FAMILIES,
    ITEMS_OF_2013,
    JOB_TYPES,
    QUANTITIES,
    definition_files,
)
from jobdefs.problem import Problem, Severity
from jobdefs.quantities import NamedQuery, QuantitiesFile, read_quantities
from jobdefs.read import read_job_type
from jobdefs.search_items import SearchItem, read_search_items

CHECK_SECONDS = 1.0

Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class Definitions:
    """Everything that the folder defines at one moment; it never changes.

    Attributes:
        job_types: By name, in the names' order; families are not looked at.
        by_dataset_type: Named quantities by the name of the dataset type.
    """

    job_types: Mapping[str, JobType]
    families: Families
    by_dataset_type: Mapping[str, tuple[NamedQuery, ...]]
    dataset_search_items: tuple[SearchItem, ...]
    datafile_search_items: tuple[SearchItem, ...]
    problems: tuple[Problem, ...]

    def quantities(self, dataset_type: str) -> tuple[NamedQuery, ...]:
        """The named quantities of a dataset type; none when nothing defines any."""
        return self.by_dataset_type.get(dataset_type, ())


@dataclass(frozen=True)
class _Loaded:
    """A file as it was read; ``value`` is of its last good version, None if there was none."""

    signature: Signature
    value: Any
    problems: tuple[Problem, ...]


class DefinitionStore:
    """Reads a folder, and reads again what changed, at most once a second.

    A file that cannot be read is listed in ``problems``; its last good version stays in use, and
    the others are not touched. All attributes may be asked from several threads.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder: job_types/*.xml, job_dataset_parameters/*.xml and so on."""
        self.folder = folder
        self._lock = threading.Lock()
        self._loaded: dict[Path, _Loaded] = {}
        self._checked = -CHECK_SECONDS
        self._definitions: Definitions | None = None

    def current(self) -> Definitions:
        """The definitions now; keep the answer where one request needs several of them."""
        with self._lock:
            now = time.monotonic()
            if self._definitions is None or now - self._checked >= CHECK_SECONDS:
                self._checked = now
                if self._load_changes() or self._definitions is None:
                    self._definitions = self._collected()
            return self._definitions

    @property
    def job_types(self) -> Mapping[str, JobType]:
        """The job types by name."""
        return self.current().job_types

    @property
    def families(self) -> Families:
        """Who may run what."""
        return self.current().families

    @property
    def dataset_search_items(self) -> tuple[SearchItem, ...]:
        """The search lists for datasets."""
        return self.current().dataset_search_items

    @property
    def datafile_search_items(self) -> tuple[SearchItem, ...]:
        """The search lists for datafiles."""
        return self.current().datafile_search_items

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the files, in the order of the files."""
        return self.current().problems

    def quantities(self, dataset_type: str) -> tuple[NamedQuery, ...]:
        """The named quantities of a dataset type."""
        return self.current().quantities(dataset_type)

    def _load_changes(self) -> bool:
        found: dict[Path, _Loaded] = {}
        for file in definition_files(self.folder):
            old, signature = self._loaded.get(file), _signature(file)
            if old is not None and old.signature == signature:
                found[file] = old
            else:
                found[file] = self._load(file, signature, old)
        changed = found != self._loaded
        self._loaded = found
        return changed

    def _load(self, file: Path, signature: Signature, old: _Loaded | None) -> _Loaded:
        value, problems = _reader(self.folder, file)(file)
        if value is None and old is not None and old.value is not None:
            kept = "the version before it stays in use until this is mended"
            notice = Problem(file, None, Severity.NOTICE, kept)
            return _Loaded(signature, old.value, (*problems, notice))
        return _Loaded(signature, value, tuple(problems))

    def _collected(self) -> Definitions:
        problems = [problem for one in self._loaded.values() for problem in one.problems]
        job_types = self._job_types(problems)
        families = self._families()
        problems.extend(_without_family(job_types, families))
        return Definitions(
            job_types=MappingProxyType(dict(sorted(job_types.items(), key=_alphabetical))),
            families=families,
            by_dataset_type=MappingProxyType(self._quantities(problems)),
            dataset_search_items=self._items(DATASET_ITEMS, ITEMS_OF_2013),
            datafile_search_items=self._items(DATAFILE_ITEMS),
            problems=tuple(problems),
        )

    def _in(self, subfolder: str) -> Iterator[tuple[Path, Any]]:
        for file, loaded in self._loaded.items():
            if file.parent == self.folder / subfolder and loaded.value is not None:
                yield file, loaded.value

    def _job_types(self, problems: list[Problem]) -> dict[str, JobType]:
        found: dict[str, JobType] = {}
        for file, job_type in self._in(JOB_TYPES):
            if earlier := found.get(job_type.name):
                where = earlier.source.name if earlier.source else "another file"
                message = f"job type {job_type.name!r} is also in {where}: this one counts"
                problems.append(
                    Problem(file, None, Severity.WARNING, message, "give it another name")
                )
            found[job_type.name] = job_type
        return found

    def _families(self) -> Families:
        loaded = self._loaded.get(self.folder / FAMILIES)
        if loaded is None:
            return Families()
        # Who may run what is then not known, so nobody may.
        return loaded.value if loaded.value is not None else Families(unreadable=True)

    def _quantities(self, problems: list[Problem]) -> dict[str, tuple[NamedQuery, ...]]:
        by_type: dict[str, dict[str, NamedQuery]] = {}
        for file, part in self._in(QUANTITIES):
            for dataset_type in part.dataset_types:
                known = by_type.setdefault(dataset_type, {})
                for query in part.queries:
                    if query.name in known:
                        message = f"{query.name!r} of {dataset_type!r} is also in an earlier file"
                        problems.append(
                            Problem(file, None, Severity.WARNING, message, "this one counts")
                        )
                    known[query.name] = query
        return {name: tuple(queries.values()) for name, queries in by_type.items()}

    def _items(self, *names: str) -> tuple[SearchItem, ...]:
        for name in names:
            loaded = self._loaded.get(self.folder / name)
            if loaded is not None:
                return loaded.value or ()
        return ()


def _signature(file: Path) -> Signature:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0, 0)
    # The last is for a file that may be read only now.
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)


def _reader(folder: Path, file: Path) -> Callable[[Path], tuple[Any, tuple[Problem, ...]]]:
    if file.parent == folder / JOB_TYPES:
        return lambda one: _job_type(one, folder)
    if file.parent == folder / QUANTITIES:
        return _isolated(read_quantities)
    return _isolated(read_families if file.name == FAMILIES else read_search_items)


def _job_type(file: Path, folder: Path) -> tuple[JobType | None, tuple[Problem, ...]]:
    found = read_job_type(file, folder)
    return found.job_type, found.problems


def _isolated(
    read: Callable[
        [Path], tuple[Families | QuantitiesFile | tuple[SearchItem, ...], list[Problem]]
    ],
) -> Callable[[Path], tuple[Any, tuple[Problem, ...]]]:
    def run(file: Path) -> tuple[Any, tuple[Problem, ...]]:
        try:
            value, problems = read(file)
        except UnreadableError as error:
            return None, (error.problem,)
        return value, tuple(problems)

    return run


def _alphabetical(one: tuple[str, JobType]) -> tuple[str, str]:
    return one[0].casefold(), one[0]


def _without_family(job_types: Mapping[str, JobType], families: Families) -> Iterator[Problem]:
    for job_type in job_types.values():
        unknown = job_type.family is not None and job_type.family not in families.by_name
        if unknown and not families.unreadable and job_type.source is not None:
            message = f"no family {job_type.family!r}, so nobody may run {job_type.name!r}"
            advice = "define it in families.xml, or name another"
            yield Problem(job_type.source, None, Severity.ERROR, message, advice)
