"""Selected datasets and datafiles: ids in a URL, and what the catalog says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ijp.catalog import CatalogSession, Entity
from ijp.errors import BadRequestError, NotFoundError, TooLargeError
from ijp.query import query

MOST_SELECTED = 5_000
_AT_ONCE = 500

_RANGE = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")


def parse_ids(text: str) -> tuple[int, ...]:
    """Ids from a URL, ``12,15-17``, in their order, each once.

    Raises:
        BadRequestError: It is written differently.
        TooLargeError: More than can be selected.
    """
    found: dict[int, None] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        match = _RANGE.fullmatch(part)
        if not match:
            raise BadRequestError(f"ids are written 12,15-17, not {part[:40]!r}")
        first = int(match[1])
        last = int(match[2] or first)
        if last - first + len(found) >= MOST_SELECTED:
            raise TooLargeError(f"at most {MOST_SELECTED:,} can be selected at once")
        found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)


def format_ids(ids: Iterable[int]) -> str:
    """Ids for a URL; runs of three and more become ranges."""
    parts: list[str] = []
    run: list[int] = []

    def close() -> None:
        if len(run) > 2:
            parts.append(f"{run[0]}-{run[-1]}")
        else:
            parts.extend(map(str, run))
        run.clear()

    for one in ids:
        if run and one != run[-1] + 1:
            close()
        run.append(one)
    close()
    return ",".join(parts)


@dataclass(frozen=True)
class Selection:
    """The ids of selected datasets and datafiles, in the order in which they were selected."""

    dataset_ids: tuple[int, ...] = ()
    datafile_ids: tuple[int, ...] = ()

    @classmethod
    def parse(cls, datasets: str, datafiles: str = "") -> Selection:
        """Read the URL parameters ``sel`` and ``files``."""
        return cls(parse_ids(datasets), parse_ids(datafiles))

    def __len__(self) -> int:
        return len(self.dataset_ids) + len(self.datafile_ids)

    def __contains__(self, dataset_id: object) -> bool:
        return dataset_id in self.dataset_ids

    def with_datasets(self, ids: Iterable[int]) -> Selection:
        """With more datasets; those that are in it already stay where they are."""
        return Selection(tuple(dict.fromkeys([*self.dataset_ids, *ids])), self.datafile_ids)

    def with_datafiles(self, ids: Iterable[int]) -> Selection:
        """With more datafiles; those that are in it already stay where they are."""
        return Selection(self.dataset_ids, tuple(dict.fromkeys([*self.datafile_ids, *ids])))

    def without_datasets(self, ids: Iterable[int]) -> Selection:
        """Without these datasets."""
        gone = set(ids)
        kept = tuple(one for one in self.dataset_ids if one not in gone)
        return Selection(kept, self.datafile_ids)

    def without_datafiles(self, ids: Iterable[int]) -> Selection:
        """Without these datafiles."""
        gone = set(ids)
        kept = tuple(one for one in self.datafile_ids if one not in gone)
        return Selection(self.dataset_ids, kept)

    def parameters(self) -> dict[str, str]:
        """The URL parameters; none for what is empty."""
        both = {"sel": format_ids(self.dataset_ids), "files": format_ids(self.datafile_ids)}
        return {name: text for name, text in both.items() if text}


@dataclass(frozen=True)
class Selected:
    """What the catalog says of a selection, in its order.

    Attributes:
        datasets: With ``type`` and ``investigation``.
        datafiles: With ``dataset`` and that one's ``type`` and ``investigation``.
        missing: Datasets and datafiles that are not there, or not for this user.
    """

    datasets: tuple[Entity, ...] = ()
    datafiles: tuple[Entity, ...] = ()
    missing: Selection = field(default_factory=Selection)

    @property
    def selection(self) -> Selection:
        """The ids of what was found."""
        return Selection(
            tuple(int(one["id"]) for one in self.datasets),
            tuple(int(one["id"]) for one in self.datafiles),
        )

    @property
    def dataset_types(self) -> list[str]:
        """The type of each dataset."""
        return [str(one["type"]["name"]) for one in self.datasets]

    @property
    def datafile_dataset_types(self) -> list[str]:
        """The type of the dataset of each datafile."""
        return [str(one["dataset"]["type"]["name"]) for one in self.datafiles]

    @property
    def labels(self) -> list[str]:
        """What to call the datasets."""
        return [str(one["name"]) for one in self.datasets]

    @property
    def investigations(self) -> list[Entity]:
        """The investigations that it is from, each once."""
        parents = [*self.datasets, *(one["dataset"] for one in self.datafiles)]
        found = (one.get("investigation") for one in parents)
        return list({one["id"]: one for one in found if one}.values())

    def require_all(self) -> Selected:
        """Itself.

        Raises:
            NotFoundError: Something of it is missing.
        """
        for what, ids in (
            ("dataset", self.missing.dataset_ids),
            ("datafile", self.missing.datafile_ids),
        ):
            if ids:
                plural = "s" if len(ids) > 1 else ""
                raise NotFoundError(
                    f"there is no {what}{plural} {format_ids(ids)} that you may see"
                )
        return self


def look_up(session: CatalogSession, selection: Selection) -> Selected:
    """What the catalog says of the selection to this user; a few searches however long it is."""
    datasets = entities(
        session,
        "SELECT found FROM Dataset found WHERE found.id IN {}"
        " INCLUDE found.type, found.investigation",
        selection.dataset_ids,
    )
    datafiles = entities(
        session,
        "SELECT found FROM Datafile found WHERE found.id IN {}"
        " INCLUDE found.dataset AS its, its.type, its.investigation, found.datafileFormat",
        selection.datafile_ids,
    )
    # What the user may not read of a file's dataset is absent; the file is then no use as input.
    whole = {id: one for id, one in datafiles.items() if one.get("dataset", {}).get("type")}
    typed = {id: one for id, one in datasets.items() if one.get("type")}
    return Selected(
        tuple(typed[id] for id in selection.dataset_ids if id in typed),
        tuple(whole[id] for id in selection.datafile_ids if id in whole),
        Selection(
            tuple(id for id in selection.dataset_ids if id not in typed),
            tuple(id for id in selection.datafile_ids if id not in whole),
        ),
    )


def entities(session: CatalogSession, template: str, ids: Sequence[int]) -> dict[int, Entity]:
    """Entities by id; those that are not there for this user are absent.

    Args:
        session: Whose rights count.
        template: A query with ``{}`` for the list of ids.
        ids: Asked for in portions, so that no query grows without limit.
    """
    found: dict[int, Entity] = {}
    for start in range(0, len(ids), _AT_ONCE):
        rows: list[Mapping[str, Any]] = session.search(
            query(template, ids[start : start + _AT_ONCE])
        )
        found.update((int(row["id"]), dict(row)) for row in rows)
    return found
