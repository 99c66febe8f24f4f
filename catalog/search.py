"""Search and get, with their results as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any

from catalog.authz.caller import Caller, Executor
from catalog.instances import find, rows, search_for
from catalog.model import ParameterValueType, StudyStatus
from catalog.query import each
from catalog.query.include import Instance
from catalog.query.parse import parse
from catalog.query.schema import entities
from catalog.query.tree import Query
from catalog.values import LARGEST_ID
from ijp.catalog import format_date
from ijp.errors import QueryError


def search(executor: Executor, caller: Caller, query: str, *, max_entities: int) -> list[Any]:
    """Run a query of either style, in one statement and one more for each step of INCLUDE.

    Returns:
        A member for each row: ``{"Dataset": {…}}``, a scalar, None, or a list of those where
        several values were selected.

    Raises:
        QueryError: ICAT's BAD_PARAMETER: the query cannot be understood or names unknown things.
        ValidationFailedError: More rows and included entities than ``max_entities``.
    """
    found = rows(executor, caller, query, max_entities=max_entities)
    made: dict[Instance, dict[str, Any]] = {}
    # Without a call of its own for the many values that JSON has as they are.
    convert = {Instance: lambda value: _json(value, made), **_CONVERT}.get
    values = [
        [value if (to := convert(type(value))) is None else to(value) for value in row]
        for row in found
    ]
    return [row[0] if len(row) == 1 else row for row in values]


def get(
    executor: Executor, caller: Caller, query: str, id: int, *, max_entities: int
) -> dict[str, Any]:
    """One entity by id, ``{"Dataset": {…}}``; the query is ``Dataset``, with INCLUDE if wanted.

    Raises:
        NotFoundError: There is none with this id.
        NotAuthorizedError: The caller may not read it.
        QueryError: The query is wrong.
    """
    found = find(executor, caller, query, id, max_entities=max_entities)
    return {found.entity.name: _object(found, {})}


def search_each(
    executor: Executor, caller: Caller, queries: Mapping[str, str], ids: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Run each query for each id, bound as ``:id``: one statement per query.

    Returns:
        For each name the values by id, ``{"12": [3]}``, at most two of an id; for a query that is
        wrong ``{"error": message}`` instead, and the others are not affected.

    Raises:
        QueryError: One of the ids cannot be one.
    """
    for id in ids:
        if not 0 < id <= LARGEST_ID:
            raise QueryError(f"{id} is not an id")
    runner = search_for(executor, caller, 0)
    answers: dict[str, dict[str, Any]] = {}
    for name, query in queries.items():
        try:
            found = each.values(runner, _parse_again(query), ids)
        except QueryError as error:
            answers[name] = {"error": error.message}
        else:
            answers[name] = {
                str(id): [_scalar(value) for value in values] for id, values in found.items()
            }
    return answers


_KEPT_LENGTH = 4096


def _parse_again(query: str) -> Query:
    """Parse what comes with every call: it is in the definitions of jobs."""
    return _kept(query) if len(query) <= _KEPT_LENGTH else parse(query)


_kept = lru_cache(maxsize=512)(parse)


@cache
def _attributes(entity: str) -> tuple[tuple[str, int], ...]:
    found = entities()[entity]
    places = found.positions
    return tuple((name, places[str(column.key)]) for name, column in found.attributes.items())


@cache
def _to_many(entity: str) -> tuple[str, ...]:
    return tuple(relation.name for relation in entities()[entity].to_many())


def _json(value: Any, made: dict[Instance, dict[str, Any]]) -> Any:
    if isinstance(value, Instance):
        return {value.entity.name: _object(value, made)}
    return _scalar(value)


def _object(instance: Instance, made: dict[Instance, dict[str, Any]]) -> dict[str, Any]:
    """An entity: null attributes left out, to-many relations always there.

    One that stands at several places is made once and kept in ``made``.
    """
    if instance in made:
        return made[instance]
    name, row = instance.entity.name, instance.row
    found: dict[str, Any] = {
        wire: _scalar(row[place]) for wire, place in _attributes(name) if row[place] is not None
    }
    for relation in _to_many(name):
        found[relation] = []
    for relation, value in instance.included.items():
        if isinstance(value, list):
            found[relation] = [_object(one, made) for one in value]
        else:
            found[relation] = _object(value, made)
    made[instance] = found
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _name(value: Enum) -> str:
    # Not .name, which takes twenty times as long.
    return value._name_


_CONVERT: dict[type, Callable[[Any], Any]] = {
    datetime: format_date,
    float: _finite,
    ParameterValueType: _name,
    StudyStatus: _name,
}
"""What JSON has no form for, by exact type: values that need nothing cost next to nothing."""


def _scalar(value: Any) -> Any:
    convert = _CONVERT.get(type(value))
    return value if convert is None else convert(value)
