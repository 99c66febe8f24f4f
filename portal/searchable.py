"""What datasets and datafiles can be searched by: their own fields and the parameter types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ijp.catalog import CatalogSession
from ijp.errors import BadRequestError


class Kind(StrEnum):
    """What the values are."""

    STRING = "string"
    NUMERIC = "numeric"
    DATE = "date"


class Operator(StrEnum):
    """How a value is compared; the value is the operator's name in a URL."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    LIKE = "like"
    BETWEEN = "between"


SIGNS = {
    Operator.EQ: "=",
    Operator.NE: "!=",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
    Operator.LIKE: "LIKE",
    Operator.BETWEEN: "BETWEEN",
}
"""Operators as the query language writes them."""

LABELS = {**SIGNS, Operator.NE: "≠", Operator.LE: "≤", Operator.GE: "≥"} | {
    Operator.LIKE: "like",
    Operator.BETWEEN: "between",
}
"""Operators as users read them."""

OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    Kind.STRING: (Operator.EQ, Operator.NE, Operator.LIKE),
    Kind.NUMERIC: (
        Operator.EQ,
        Operator.NE,
        Operator.LT,
        Operator.LE,
        Operator.GT,
        Operator.GE,
        Operator.BETWEEN,
    ),
    Kind.DATE: (Operator.BETWEEN, Operator.LT, Operator.GT),
}
"""The operators that fit a kind of value, the most usual first."""

VALUE_ATTRIBUTES = {
    Kind.STRING: "stringValue",
    Kind.NUMERIC: "numericValue",
    Kind.DATE: "dateTimeValue",
}
"""Where a parameter of a kind has its value."""


@dataclass(frozen=True)
class Searchable:
    """One thing to search by.

    Attributes:
        key: Its name in URLs: ``dataset.name`` for a field, else the parameter type's name, with
            ``[units]`` after it where the name alone would not say which.
        field: The attribute, or the path to it, of a field; None for a parameter.
        type_ids: The parameter types, of a parameter: one, or one for each facility.
        values: All values that may occur, where the catalog lists them.
    """

    key: str
    label: str
    kind: Kind
    units: str = ""
    field: str | None = None
    type_ids: tuple[int, ...] = ()
    values: tuple[str, ...] = ()
    description: str = ""

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators that fit."""
        return OPERATORS[self.kind]


_FIELDS: dict[str, tuple[tuple[str, str, Kind, str], ...]] = {
    "Dataset": (
        ("name", "Name", Kind.STRING, ""),
        ("description", "Description", Kind.STRING, ""),
        ("location", "Location", Kind.STRING, ""),
        ("doi", "DOI", Kind.STRING, ""),
        ("startDate", "Start date", Kind.DATE, ""),
        ("endDate", "End date", Kind.DATE, ""),
        ("createTime", "Created", Kind.DATE, ""),
        ("modTime", "Changed", Kind.DATE, ""),
        ("createId", "Created by", Kind.STRING, ""),
        ("fileCount", "Number of files", Kind.NUMERIC, ""),
        ("fileSize", "Size", Kind.NUMERIC, "bytes"),
    ),
    "Datafile": (
        ("name", "Name", Kind.STRING, ""),
        ("description", "Description", Kind.STRING, ""),
        ("location", "Location", Kind.STRING, ""),
        ("doi", "DOI", Kind.STRING, ""),
        ("dataset.name", "Dataset", Kind.STRING, ""),
        ("datafileFormat.name", "Format", Kind.STRING, ""),
        ("datafileCreateTime", "File created", Kind.DATE, ""),
        ("datafileModTime", "File changed", Kind.DATE, ""),
        ("createTime", "Registered", Kind.DATE, ""),
        ("fileSize", "Size", Kind.NUMERIC, "bytes"),
    ),
}


@dataclass(frozen=True)
class Vocabulary:
    """All that one user can search by, fields and parameters together, by label."""

    entity: str
    by_key: Mapping[str, Searchable]
    by_bare_name: Mapping[str, tuple[Searchable, ...]]

    def __iter__(self) -> Any:
        return iter(self.by_key.values())

    def find(self, key: str) -> Searchable:
        """The searchable of a key, or of a parameter's bare name where that is enough.

        Raises:
            BadRequestError: There is none, or several of this name with different units.
        """
        if key in self.by_key:
            return self.by_key[key]
        found = self.by_bare_name.get(key, ())
        if len(found) == 1:
            return found[0]
        if found:
            choices = " or ".join(repr(one.key) for one in found)
            raise BadRequestError(f"there are several parameters {key!r}: write {choices}")
        raise BadRequestError(f"no parameter {key!r} can be searched for here")


def vocabulary(session: CatalogSession, entity: str = "Dataset") -> Vocabulary:
    """What datasets (or datafiles) can be searched by, as this user's catalog says now."""
    types = session.search(
        f"SELECT t FROM ParameterType t WHERE t.applicableTo{entity} = TRUE"
        " INCLUDE t.permissibleStringValues"
    )
    values: dict[str, tuple[str, ...]] = {}
    if entity == "Datafile":
        formats = session.search("SELECT DISTINCT f.name FROM DatafileFormat f")
        values["datafileFormat.name"] = tuple(sorted(map(str, formats), key=str.lower))
    return _vocabulary(entity, types, values)


def _vocabulary(
    entity: str,
    types: Sequence[Mapping[str, Any]],
    values: Mapping[str, tuple[str, ...]] | None = None,
) -> Vocabulary:
    """Fields and parameters; ``values`` has those that a field may have, where they are known."""
    prefix = entity.lower()
    fields = [
        Searchable(
            f"{prefix}.{name}", label, kind, units, field=name, values=(values or {}).get(name, ())
        )
        for name, label, kind, units in _FIELDS[entity]
    ]
    parameters = _parameters(types)
    bare: dict[str, list[Searchable]] = defaultdict(list)
    for one in parameters:
        bare[one.label].append(one)
    ordered = sorted([*fields, *parameters], key=lambda one: (one.label.lower(), one.key))
    # A field's key wins over a parameter type that happens to be called like it.
    by_key = {one.key: one for one in ordered} | {one.key: one for one in fields}
    return Vocabulary(entity, by_key, {name: tuple(them) for name, them in bare.items()})


def _parameters(types: Sequence[Mapping[str, Any]]) -> list[Searchable]:
    alike: dict[tuple[str, str, Kind], list[Mapping[str, Any]]] = defaultdict(list)
    for one in types:
        kind = _kind(one)
        if kind is not None:
            alike[one["name"], one.get("units") or "", kind].append(one)
    names = [name for name, _, _ in alike]
    found = []
    for (name, units, kind), same in alike.items():
        key = name if names.count(name) == 1 else f"{name} [{units}]"
        found.append(
            Searchable(
                key,
                name,
                kind,
                units,
                type_ids=tuple(sorted(int(one["id"]) for one in same)),
                values=_values(same),
                description=str(same[0].get("description") or ""),
            )
        )
    return found


def _kind(parameter_type: Mapping[str, Any]) -> Kind | None:
    return {
        "STRING": Kind.STRING,
        "NUMERIC": Kind.NUMERIC,
        "DATE_AND_TIME": Kind.DATE,
    }.get(str(parameter_type.get("valueType")).rpartition(".")[2])


def _values(types: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    found = {
        str(value["value"]) for one in types for value in one.get("permissibleStringValues", ())
    }
    return tuple(sorted(found))
