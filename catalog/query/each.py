"""One query for each of many ids, in one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, TableValuedAlias, select, true

from catalog.query import tree
from catalog.query.executor import dialect_of, execute
from catalog.query.id_list import id_of, id_table
from catalog.query.run import Search, Value, plain
from catalog.query.translate import statement
from ijp.errors import QueryError

MOST = 2
"""How many values of an id are given: enough to see that there are several."""


def values(search: Search, query: tree.Query, ids: Sequence[int]) -> dict[int, list[Value]]:
    """Run a query with each id in turn as ``:id``.

    Returns:
        For each id at most ``MOST`` values, in the order of the query.

    Raises:
        QueryError: The query is wrong, or selects other than one value.
    """
    wanted = list(dict.fromkeys(ids))
    table = id_table(search.executor, wanted)
    environment = replace(search.environment, numbers={"id": id_of(table)})
    found = statement(query.select, environment, search.visible)
    output = found.outputs[0]
    if len(found.outputs) > 1 or output.entity is not None:
        raise QueryError("a query for each id selects one value", query.select.at)
    if found.hidden:
        return {id: [0] if found.is_count else [] for id in wanted}
    limit = query.limit or tree.Limit(0, None)
    most = MOST if limit.count is None else min(MOST, limit.count)
    rows = _lateral if dialect_of(search.executor) == "postgresql" else _one_by_one
    answers: dict[int, list[Value]] = {id: [] for id in wanted}
    for id, value in rows(search, found.sql, table, limit.offset, most):
        answers[id].append(plain(value, output))
    return answers


Rows = Iterator[tuple[int, Any]]


def _lateral(
    search: Search, query: Select[Any], ids: TableValuedAlias, offset: int, most: int
) -> Rows:
    each = query.limit(most).offset(offset).lateral()
    sql = select(id_of(ids), each.c[0]).select_from(ids.join(each, true()))
    for row in execute(search.executor, sql):
        yield row[0], row[1]


def _one_by_one(
    search: Search, query: Select[Any], ids: TableValuedAlias, offset: int, most: int
) -> Rows:
    """SQLite has no LATERAL: a subselect for each value, and one that tells whether it is there."""
    columns: list[ColumnElement[Any]] = []
    for place in range(offset, offset + most):
        row = query.limit(1).offset(place).subquery()
        value = row.c[0]
        columns += [select(one).scalar_subquery() for one in (value.is_(None), value)]
    for found in execute(search.executor, select(id_of(ids), *columns)):
        for is_null, value in zip(found[1::2], found[2::2], strict=True):
            if is_null is not None:
                yield found[0], value
