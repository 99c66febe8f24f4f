"""The first rows of a query as text, whatever the rules say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import Enum

from catalog.authz.caller import Caller, Executor
from catalog.authz.rules import Rights
from catalog.query import tree
from catalog.query.include import Instance
from catalog.query.parse import parse
from catalog.query.run import Search
from ijp.catalog import format_date


def texts(executor: Executor, query: str, most: int) -> list[str]:
    """A text for each of the first rows; an entity is its name and id, ``Facility:3``.

    Raises:
        QueryError: The query cannot be understood or names unknown things.
    """
    found = parse(query)
    given = found.limit or tree.Limit(0, None)
    count = most if given.count is None else min(most, given.count)
    limited = replace(found, include=None, limit=replace(given, count=count))
    rights = Rights(executor, Caller("", is_root=True))
    search = Search(executor, rights.environment, rights.visible(), most)
    return [_row(row) for row in search.rows(limited)]


def _row(values: list[object]) -> str:
    if len(values) == 1:
        return _text(values[0])
    return f"[{', '.join(_text(one) for one in values)}]"


def _text(value: object) -> str:
    match value:
        case None:
            return "null"
        case Instance():
            return f"{value.entity.name}:{value.value('id')}"
        case datetime():
            return format_date(value)
        case Enum():
            return value.name
        case bool():
            return "true" if value else "false"
    return str(value)
