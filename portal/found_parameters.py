"""The parameters of datasets and datafiles: their values, with names and units of their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ijp.catalog import CatalogSession, Entity
from ijp.query import query
from portal.formats import moment, number
from portal.recent import Recent
from portal.searchable import VALUE_ATTRIBUTES, Kind
from portal.sessions import User
from portal.subject import Subject

_VALUES = (
    "SELECT d.id, p.type.id, p.numericValue, p.stringValue, p.dateTimeValue, p.error, p.createId "
    "FROM {entity} d JOIN d.parameters p WHERE d.id IN {{}}"
)
_VALUES_OF = 100
"""How many one search gives the parameters of: few enough for any catalog's limit on rows."""
_TYPES = "SELECT t.id, t.name, t.units, t.valueType FROM ParameterType t"

_KINDS = {"STRING": Kind.STRING, "NUMERIC": Kind.NUMERIC}


class ParameterValue(NamedTuple):
    """A parameter of something found; ``value`` is a number, a text, or a moment as text."""

    name: str
    units: str
    kind: Kind
    value: float | str | None
    error: float | None = None
    set_by: str = ""
    type_id: int = 0

    @classmethod
    def of(cls, entity: Entity) -> ParameterValue:
        """Read a catalog's parameter with its type."""
        its_type = entity.get("type") or {}
        kind = _kind(its_type.get("valueType"))
        return cls(
            name=str(its_type.get("name", "")),
            units=str(its_type.get("units") or ""),
            kind=kind,
            value=entity.get(VALUE_ATTRIBUTES[kind]),
            error=entity.get("error"),
            set_by=str(entity.get("createId", "")),
            type_id=int(its_type.get("id", 0)),
        )

    @property
    def is_bare_number(self) -> bool:
        """Whether it is a number without an error."""
        return self.kind is Kind.NUMERIC and not self.error

    @property
    def shown(self) -> str:
        """The value for reading, without units."""
        if self.value is None:
            return ""
        if self.kind is Kind.NUMERIC:
            return number(float(self.value))
        return moment(str(self.value)) if self.kind is Kind.DATE else str(self.value)


def _kind(value_type: object) -> Kind:
    return _KINDS.get(str(value_type), Kind.DATE)


def by_name(parameters: list[ParameterValue]) -> tuple[ParameterValue, ...]:
    """Parameters in the order in which they are shown."""
    return tuple(sorted(parameters, key=lambda one: (one.name.lower(), one.units)))


class _Type(NamedTuple):
    """What the values of a type share; ``rank`` is its place when types are sorted by name."""

    rank: int
    name: str
    units: str
    kind: Kind
    column: int


class ParameterReader:
    """Reads the parameters of many at once, as plain rows without what their types say.

    Whole entities of parameters and their types would be several times as much to make and to
    read. Types are few and change seldom: they are kept for some seconds.
    """

    def __init__(self, kept_seconds: float) -> None:
        """Keep types for so long."""
        self._types: Recent[Mapping[int, _Type]] = Recent(kept_seconds)

    def read(
        self, user: User, subject: Subject, ids: Sequence[int]
    ) -> dict[int, tuple[ParameterValue, ...]]:
        """The parameters of each that the user may see, sorted by name."""
        values = _VALUES.format(entity=subject.entity)
        rows: list[Sequence[Any]] = []
        for begin in range(0, len(ids), _VALUES_OF):
            rows += user.catalog.search(query(values, ids[begin : begin + _VALUES_OF]))
        types = self._of(user, {row[1] for row in rows})
        found: dict[int, list[tuple[int, ParameterValue]]] = {id: [] for id in ids}
        for row in rows:
            if (its := types.get(row[1])) is not None:
                value = ParameterValue(
                    its.name, its.units, its.kind, row[its.column], row[5], row[6], row[1]
                )
                found[row[0]].append((its.rank, value))
        return {
            id: tuple(value for _, value in sorted(its, key=lambda one: one[0]))
            for id, its in found.items()
        }

    def _of(self, user: User, wanted: set[int]) -> Mapping[int, _Type]:
        """All types that the user may see; read again if one of the wanted is new."""
        kept = self._types.peek(user.name)
        if kept is None or not wanted <= kept.keys():
            self._types.drop(user.name)
            return self._types.get(user.name, lambda: _types(user.catalog))
        return kept


_COLUMNS = {Kind.NUMERIC: 2, Kind.STRING: 3, Kind.DATE: 4}


def _types(session: CatalogSession) -> Mapping[int, _Type]:
    rows = session.search(_TYPES)
    rows.sort(key=lambda row: (str(row[1]).lower(), str(row[2] or "")))
    found = {}
    for rank, (id, name, units, value_type) in enumerate(rows):
        kind = _kind(value_type)
        found[int(id)] = _Type(rank, str(name), str(units or ""), kind, _COLUMNS[kind])
    return found
