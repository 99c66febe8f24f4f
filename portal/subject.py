"""What is searched for: datasets, or datafiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ijp.catalog import Entity
from portal.selection import Selection

ROOT = "found"
"""The variable of what is searched for."""


@dataclass(frozen=True)
class Subject:
    """One of the two things that are searched for.

    Attributes:
        entity: What the catalog calls it.
        page: The address of its search page.
        ticked: The URL parameter that has the selected ones.
        dataset: The path of its dataset, which a dataset is itself.
        steps: What the catalog gives with each, beside its dataset's type.
        whole: The query of one with all that is known of it.
        words: The paths of the texts that words are looked for in.
        columns: How many parameters a table has room for.
    """

    entity: str
    page: str
    ticked: str
    dataset: str
    steps: str
    whole: str
    words: tuple[str, ...]
    columns: int

    @property
    def noun(self) -> str:
        """What users call it, and its fields' keys begin with."""
        return self.entity.lower()

    def included(self, *, with_type: bool) -> str:
        """What the catalog is to give with each, as INCLUDE has it."""
        variable = ROOT if self is DATASETS else "its"
        return f"{self.steps}, {variable}.type" if with_type else self.steps

    def dataset_of(self, entity: Entity) -> Entity:
        """The dataset of one that was found; empty if the user may not read that."""
        return entity if self.dataset == ROOT else entity.get("dataset") or {}

    def chosen(self, selection: Selection) -> tuple[int, ...]:
        """Those of a selection that are of this kind."""
        return selection.datafile_ids if self is DATAFILES else selection.dataset_ids

    def choose(self, selection: Selection, ids: Iterable[int]) -> Selection:
        """A selection with more of this kind."""
        if self is DATAFILES:
            return selection.with_datafiles(ids)
        return selection.with_datasets(ids)

    def leave(self, selection: Selection, ids: Iterable[int]) -> Selection:
        """A selection without some of this kind."""
        if self is DATAFILES:
            return selection.without_datafiles(ids)
        return selection.without_datasets(ids)


DATASETS = Subject(
    entity="Dataset",
    page="/find",
    ticked="sel",
    dataset=ROOT,
    steps=f"{ROOT}.investigation",
    whole="Dataset d INCLUDE d.parameters AS its, its.type, d.type, d.investigation",
    words=("name", "description", "investigation.name"),
    columns=3,
)
DATAFILES = Subject(
    entity="Datafile",
    page="/find/files",
    ticked="files",
    dataset=f"{ROOT}.dataset",
    steps=f"{ROOT}.dataset AS its, its.investigation, {ROOT}.datafileFormat",
    whole="Datafile f INCLUDE f.parameters AS its, its.type, f.datafileFormat,"
    " f.dataset AS d, d.type, d.investigation",
    words=("name", "description", "dataset.name", "dataset.investigation.name"),
    columns=2,
)
SUBJECTS = (DATASETS, DATAFILES)
