"""Named quantities of datasets: what conditions are about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jobdefs import document
from jobdefs.document import Node
from jobdefs.problem import Problem

PLACEHOLDER = "${datasetId}"
_ANY_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[^\W\d_]\w*")


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A quantity and the catalog query that gives it, asked as the user for each dataset.

    Exactly one row is the value; no row, or several, is null.
    """

    name: str
    query: str

    @property
    def for_each(self) -> str:
        """The query with ``:id`` for the dataset, as ``CatalogSession.search_each`` takes it."""
        return self.query.replace(PLACEHOLDER, ":id")

    def for_dataset(self, dataset_id: int) -> str:
        """The query for one dataset."""
        return self.query.replace(PLACEHOLDER, str(int(dataset_id)))


@dataclass(frozen=True, slots=True)
class QuantitiesFile:
    """What one file gives: these queries for each of these dataset types."""

    dataset_types: tuple[str, ...]
    queries: tuple[NamedQuery, ...]


def read_quantities(file: Path) -> tuple[QuantitiesFile, list[Problem]]:
    """Read a file of ``job_dataset_parameters``.

    Raises:
        UnreadableError: It gives no quantities at all.
    """
    root = document.parse(file, document.read_bytes(file))
    root.expect(("datasetTypes", "jobDatasetParameter"))
    types = [node.content.strip() for node in root.children("datasetTypes")]
    if not any(types):
        root.error("no <datasetTypes>, so nothing is defined", "add <datasetTypes>…")
    queries: dict[str, NamedQuery] = {}
    for node in root.children("jobDatasetParameter"):
        query = _named_query(node)
        if query is None:
            continue
        if query.name in queries:
            node.warning(f"{query.name!r} is there twice", "the last one counts")
        queries[query.name] = query
    if not queries:
        root.warning("no <jobDatasetParameter>, so nothing is defined")
    return QuantitiesFile(tuple(filter(None, types)), tuple(queries.values())), root.problems


def _named_query(node: Node) -> NamedQuery | None:
    node.expect(("name", "query"))
    name, query = node.text("name"), node.text("query")
    if name is None or query is None:
        what = "name" if name is None else "query"
        node.error(f"<jobDatasetParameter> has no <{what}>", "it is not used")
        return None
    if not _NAME.fullmatch(name) or name in ("True", "False", "null"):
        node.warning(
            f"no condition can mention {name!r}",
            "a name is a letter, then letters, digits and _; True, False, null are taken",
        )
    unknown = set(_ANY_PLACEHOLDER.findall(query)) - {"datasetId"}
    if unknown:
        found = ", ".join(f"${{{one}}}" for one in sorted(unknown))
        node.error(f"query of {name!r}: {found} means nothing", f"write {PLACEHOLDER}")
        return None
    if PLACEHOLDER not in query:
        node.warning(
            f"query of {name!r} is the same for every dataset", f"ask for {PLACEHOLDER} in it"
        )
    if f"'{PLACEHOLDER}'" in query:
        node.warning(f"query of {name!r} has {PLACEHOLDER} in quotes", "take the quotes out")
        query = query.replace(f"'{PLACEHOLDER}'", PLACEHOLDER)
    return NamedQuery(name, query)
