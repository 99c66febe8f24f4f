"""The definitions of a facility's folder, read again when its files change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobdefs.families import Families
from jobdefs.job_type import JobType
from jobdefs.problem import Problem
from jobdefs.quantities import NamedQuery
from jobdefs.search_items import SearchItem


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


class DefinitionStore:
    """Reads a folder, and reads again what changed, at most once a second.

    A file that cannot be read is listed in ``problems``; its last good version stays in use, and
    the others are not touched. All attributes may be asked from several threads.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder: job_types/*.xml, job_dataset_parameters/*.xml and so on."""
        self.folder = folder

    def current(self) -> Definitions:
        """The definitions now; keep the answer where one request needs several of them."""
        raise NotImplementedError

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
