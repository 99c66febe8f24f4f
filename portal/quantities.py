"""Named quantities of datasets, asked as the user in as few calls as can be."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from ijp.catalog import CatalogSession, Entity, parse_date
from ijp.errors import PortalError
from jobdefs.condition import Value
from jobdefs.quantities import NamedQuery

log = logging.getLogger(__name__)

Quantities = dict[int, dict[str, Value]]
"""By dataset id, the values by name."""


class Defined(Protocol):
    """What says which quantities a dataset type has."""

    def quantities(self, dataset_type: str) -> tuple[NamedQuery, ...]:
        """Those of a dataset type."""


def of_datasets(
    session: CatalogSession, definitions: Defined, datasets: Iterable[Entity]
) -> Quantities:
    """The named quantities of datasets.

    One call for each dataset type, however many datasets and quantities there are.

    Args:
        session: Whose rights count: what the user cannot see is not counted.
        definitions: Which quantities there are, by dataset type.
        datasets: With their ``type``.

    Returns:
        For each dataset its quantities: no row is None, several rows are None too (and logged),
        and so is what a wrong query gives (logged). Types without quantities have empty ones.
    """
    by_type: dict[str, list[int]] = defaultdict(list)
    found: Quantities = {}
    for dataset in datasets:
        by_type[str(dataset["type"]["name"])].append(int(dataset["id"]))
        found[int(dataset["id"])] = {}
    for dataset_type, ids in by_type.items():
        named = definitions.quantities(dataset_type)
        if named:
            _fill(found, session, named, ids)
    return found


def _fill(
    found: Quantities, session: CatalogSession, named: Sequence[NamedQuery], ids: Sequence[int]
) -> None:
    answers = session.search_each({one.name: one.for_each for one in named}, ids)
    for one in named:
        answer = answers[one.name]
        if isinstance(answer, PortalError):
            log.warning("quantity %s: %s", one.name, answer)
        for id in ids:
            found[id][one.name] = _value(one.name, id, answer)


def _value(name: str, id: int, answer: Mapping[int, Sequence[Any]] | PortalError) -> Value:
    if isinstance(answer, PortalError):
        return None
    rows = answer.get(id, ())
    if len(rows) > 1:
        log.warning("quantity %s of dataset %d has several values", name, id)
    return typed(rows[0]) if len(rows) == 1 else None


def typed(value: Any) -> Value:
    """A value of the catalog's JSON as conditions know it; what they do not know is None."""
    if isinstance(value, str):
        return _moment(value) or value
    return value if isinstance(value, bool | int | float) else None


def _moment(text: str) -> datetime | None:
    # Only what looks exactly like the wire's dates: 2026-11-20T19:07:00.000Z
    if len(text) < 20 or text[4:5] != "-" or text[10:11] != "T" or text[19:20] != ".":
        return None
    try:
        return parse_date(text)
    except ValueError:
        return None


def type_name(value: Value) -> str:
    """What kind of value it is, for users."""
    names = {bool: "boolean", int: "integer", float: "number", str: "text", datetime: "date"}
    return "nothing" if value is None else names[type(value)]
