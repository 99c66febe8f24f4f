"""Search and get, with their results as the text of JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from catalog import json_text
from catalog.authz.caller import Caller, Executor
from catalog.instances import find, pages, search_for
from catalog.model import ParameterValueType, StudyStatus
from catalog.query import each
from catalog.query.parse import parse
from catalog.values import LARGEST_ID, moment_text
from ijp.errors import QueryError


def search(executor: Executor, caller: Caller, query: str, *, max_entities: int) -> Iterator[str]:
    """Run a query of either style; gives an array in pieces, see ``json_text.rows``.

    Raises:
        QueryError: ICAT's BAD_PARAMETER: the query cannot be understood or names unknown things.
        ValidationFailedError: More rows and included entities than ``max_entities``.
    """
    return json_text.rows(pages(executor, caller, query, max_entities=max_entities))


def get(executor: Executor, caller: Caller, query: str, id: int, *, max_entities: int) -> str:
    """One entity by id, ``{"Dataset": {…}}``; the query is ``Dataset``, with INCLUDE if wanted.

    Raises:
        NotFoundError: There is none with this id.
        NotAuthorizedError: The caller may not read it.
        QueryError: The query is wrong.
    """
    return json_text.entity(find(executor, caller, query, id, max_entities=max_entities))


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
            found = each.values(runner, parse(query), ids)
        except QueryError as error:
            answers[name] = {"error": error.message}
        else:
            answers[name] = {
                str(id): [_scalar(value) for value in values] for id, values in found.items()
            }
    return answers


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _name(value: Enum) -> str:
    # Not .name, which takes twenty times as long.
    return value._name_


_CONVERT: dict[type, Callable[[Any], Any]] = {
    datetime: moment_text,
    float: _finite,
    ParameterValueType: _name,
    StudyStatus: _name,
}
"""What JSON has no form for, by exact type: values that need nothing cost next to nothing."""


def _scalar(value: Any) -> Any:
    convert = _CONVERT.get(type(value))
    return value if convert is None else convert(value)
