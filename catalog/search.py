"""Search and get, with their results as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any

from catalog.authz.caller import Caller, Executor
from catalog.authz.rules import Access, Rights
from catalog.model import ParameterValueType, StudyStatus
from catalog.query import each
from catalog.query.include import Instance
from catalog.query.parse import parse, parse_get
from catalog.query.run import Search
from catalog.query.schema import entities
from catalog.query.tree import Query, Range
from ijp.catalog import format_date
from ijp.errors import NotAuthorizedError, NotFoundError, QueryError

MAX_ID = 2**63 - 1
"""The largest id that the database can hold."""


def _search_for(executor: Executor, caller: Caller, max_entities: int) -> Search:
    rights = Rights(executor, caller)
    return Search(executor, rights.environment, rights.visible(Access.READ), max_entities)


def search(executor: Executor, caller: Caller, query: str, *, max_entities: int) -> list[Any]:
    """Run a query of either style, in one statement and one more for each step of INCLUDE.

    Returns:
        A member for each row: ``{"Dataset": {…}}``, a scalar, None, or a list of those where
        several values were selected.

    Raises:
        QueryError: ICAT's BAD_PARAMETER: the query cannot be understood or names unknown things.
        ValidationFailedError: More rows and included entities than ``max_entities``.
    """
    tree = parse(query)
    rows = _search_for(executor, caller, max_entities).rows(tree)
    made: dict[Instance, dict[str, Any]] = {}
    if len(tree.select.items) > 1:
        return [[_json(value, made) for value in row] for row in rows]
    return [_json(row[0], made) for row in rows]


def get(
    executor: Executor, caller: Caller, query: str, id: int, *, max_entities: int
) -> dict[str, Any]:
    """One entity by id, ``{"Dataset": {…}}``; the query is ``Dataset``, with INCLUDE if wanted.

    Raises:
        NotFoundError: There is none with this id.
        NotAuthorizedError: The caller may not read it.
        QueryError: The query is wrong.
    """
    tree = parse_get(query)
    (source,) = tree.select.sources
    assert isinstance(source, Range)
    known = 0 < id <= MAX_ID
    found = _search_for(executor, caller, max_entities).one(tree, id) if known else None
    if found is not None:
        return {found.entity.name: _object(found, {})}
    everything = Rights(executor, Caller(caller.name, is_root=True))
    if not known or not everything.permitted(Access.READ, source.entity, [id]):
        raise NotFoundError(f"{source.entity}[id:{id}] not found.")
    raise NotAuthorizedError(f"READ access to this {source.entity} is not allowed.")


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
        if not 0 < id <= MAX_ID:
            raise QueryError(f"{id} is not an id")
    runner = _search_for(executor, caller, 0)
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
