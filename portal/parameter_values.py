"""Parameters that a job writes: values, and the catalog's types that fit them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ijp.catalog import CatalogSession, Entity, format_date
from ijp.errors import BadRequestError
from ijp.query import query


@dataclass(frozen=True)
class Value:
    """A parameter to be written; exactly one of the values is not None."""

    name: str
    units: str | None = None
    numeric_value: float | None = None
    string_value: str | None = None
    date_time_value: datetime | None = None
    error: float | None = None

    def on_wire(self) -> dict[str, Any]:
        """Its columns as the catalog takes them."""
        moment = self.date_time_value
        return {
            "numericValue": self.numeric_value,
            "stringValue": self.string_value,
            "dateTimeValue": None if moment is None else format_date(moment),
            "error": self.error,
        }

    @property
    def kind(self) -> str:
        """The value type that fits."""
        if self.numeric_value is not None:
            return "NUMERIC"
        return "STRING" if self.string_value is not None else "DATE_AND_TIME"


def typed(session: CatalogSession, values: Sequence[Value], facility: int) -> list[dict[str, Any]]:
    """Parameters as the catalog takes them, each with the type that fits.

    Raises:
        BadRequestError: For some there is none; all faults are told at once.
    """
    if not values:
        return []
    text = (
        "SELECT t FROM ParameterType t WHERE t.applicableToDataset = TRUE"
        " AND t.facility.id = {} AND t.name IN {}"
    )
    names = sorted({one.name for one in values})
    types = session.search(query(text, facility, names))
    made, faults = [], []
    for value in values:
        found = _fitting(value, types)
        if isinstance(found, str):
            faults.append(found)
        else:
            made.append({"type": {"id": int(found["id"])}, **_given(value)})
    if faults:
        raise BadRequestError("; ".join(faults))
    return made


def _fitting(value: Value, types: Iterable[Entity]) -> Entity | str:
    """The one type that fits a parameter, or what is wrong."""
    named = [one for one in types if one["name"] == value.name]
    if not named:
        return f"the catalog has no parameter type {value.name!r} for datasets"
    fitting = [one for one in named if value.units in (None, one.get("units") or "")]
    if not fitting:
        units = ", ".join(repr(one.get("units") or "") for one in named)
        return f"parameter {value.name!r} is in {units}, not in {value.units!r}"
    if len(fitting) > 1:
        units = ", ".join(repr(one.get("units") or "") for one in fitting)
        return f"parameter {value.name!r} can be in {units}: say which"
    if fitting[0]["valueType"] != value.kind:
        return f"parameter {value.name!r} takes {fitting[0]['valueType']}, not {value.kind}"
    return fitting[0]


def _given(value: Value) -> dict[str, Any]:
    """Its columns that have a value."""
    return {name: given for name, given in value.on_wire().items() if given is not None}
