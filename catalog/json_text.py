"""Entities and values as the text of JSON: null attributes left out, to-many relations there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from json.encoder import encode_basestring_ascii
from typing import Any

from catalog.model import ParameterValueType, StudyStatus
from catalog.query.include import Instance
from catalog.query.schema import entities
from catalog.values import moment_text

_Made = dict[Instance, str]
"""Entities that stand at several places, as they were written at the first."""


def rows(pages: Iterable[list[list[Any]]]) -> Iterator[str]:
    """An array with a member for each row.

    A member is ``{"Dataset": {…}}``, a scalar, null, or an array of those where several values
    were selected.
    """
    comma = "["
    for page in pages:
        text = _plain_rows(page)
        if text is None:
            made: _Made = {}
            text = ",".join([_row(row, made) for row in page])
        yield comma + text
        comma = ","
    yield "[]" if comma == "[" else "]"


def entity(instance: Instance) -> str:
    """``{"Dataset": {…}}``."""
    return _value(instance, {})


def _plain_rows(page: list[list[Any]]) -> str | None:
    """Rows without entities as C writes them; None if it cannot, as with infinities."""
    if page and any(type(value) is Instance for value in page[0]):
        return None
    alone = bool(page) and len(page[0]) == 1
    try:
        return _PLAIN.encode([row[0] for row in page] if alone else page)[1:-1]
    except (TypeError, ValueError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, ParameterValueType | StudyStatus):
        return value.name
    raise TypeError(type(value).__name__)


_PLAIN = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False, default=_plain
)


def _row(row: list[Any], made: _Made) -> str:
    if len(row) == 1:
        return _value(row[0], made)
    return f"[{','.join([_value(value, made) for value in row])}]"


def _value(value: Any, made: _Made) -> str:
    if type(value) is Instance:
        return f'{{"{value.entity.name}":{_object(value, made)}}}'
    write = _WRITE.get(type(value))
    return json.dumps(value) if write is None else write(value)


@cache
def _attributes(entity: str) -> tuple[tuple[str, int], ...]:
    """The attributes with their places in a row."""
    found = entities()[entity]
    places = found.positions
    return tuple((f'"{name}":', places[str(one.key)]) for name, one in found.attributes.items())


@cache
def _to_many(entity: str) -> tuple[str, ...]:
    return tuple(relation.name for relation in entities()[entity].to_many())


def _object(instance: Instance, made: _Made) -> str:
    if instance in made:
        return made[instance]
    name, row, included = instance.entity.name, instance.row, instance.included
    parts = []
    for label, place in _attributes(name):
        if (value := row[place]) is not None:
            write = _WRITE.get(type(value))
            parts.append(label + (json.dumps(value) if write is None else write(value)))
    for relation in _to_many(name):
        if relation not in included:
            parts.append(f'"{relation}":[]')
    for relation, found in included.items():
        if isinstance(found, list):
            members = ",".join([_object(one, made) for one in found])
            parts.append(f'"{relation}":[{members}]')
        else:
            parts.append(f'"{relation}":{_object(found, made)}')
    text = made[instance] = f"{{{','.join(parts)}}}"
    return text


def _number(value: float) -> str:
    """JSON has neither NaN nor infinity."""
    return repr(value) if math.isfinite(value) else "null"


def _moment(value: datetime) -> str:
    return f'"{moment_text(value)}"'


def _name(value: ParameterValueType | StudyStatus) -> str:
    # Not .name, which takes twenty times as long.
    return f'"{value._name_}"'


_WRITE: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: repr,
    bool: lambda value: "true" if value else "false",
    float: _number,
    datetime: _moment,
    ParameterValueType: _name,
    StudyStatus: _name,
    type(None): lambda _: "null",
}
"""How values are written, by exact type; those of others as ``json`` has them."""
