"""Runs queries: one statement, and one for each step of INCLUDE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select

from catalog.query import tree
from catalog.query.counting import without_table
from catalog.query.executor import Executor, execute, want_first_rows
from catalog.query.include import (
    Branch,
    Instance,
    Visibility,
    branches,
    include,
    number_of_entities,
    too_many,
)
from catalog.query.parameter_types import with_ids
from catalog.query.scope import Environment
from catalog.query.translate import Output, Statement, statement
from catalog.query.values import Kind
from ijp.errors import QueryError

Value = Instance | int | float | str | bool | datetime | Any
"""What one item of SELECT gives: an entity, a value, or None."""

PAGE = 1000
"""How many rows are in memory at once, with what is included in them."""


@dataclass(frozen=True)
class Search:
    """How queries are run for one user."""

    executor: Executor
    environment: Environment
    visible: Visibility
    max_entities: int

    def rows(self, query: tree.Query) -> list[list[Value]]:
        """A member for each row, with a member for each item of SELECT.

        Raises:
            QueryError: A name is unknown, or values are of the wrong kind.
            ValidationFailedError: More rows and included entities than ``max_entities``.
        """
        return [row for page in self.pages(query) for row in page]

    def pages(self, query: tree.Query) -> Iterator[list[list[Value]]]:
        """The same, some rows at a time, each page with all that is included in its entities.

        An entity that comes again on the page is the same instance. The errors of ``rows`` may
        come after some pages.
        """
        select = without_table(with_ids(self.executor, query.select))
        found = statement(select, self.environment, self.visible)
        steps = _steps(query, found)
        if found.hidden:
            if found.is_count:
                yield [[0]]
            return
        sql = _limited(found.sql, query.limit, self.max_entities + 1)
        left = self.max_entities
        if query.limit and (query.limit.count or PAGE) < PAGE and not found.is_count:
            want_first_rows(self.executor)
        with closing(execute(self.executor, sql)) as result:
            for part in result.partitions(PAGE):
                reader = _Reader(found.outputs)
                page = reader.read(part)
                left -= len(page) if steps is None else self._include(reader, page, steps, left)
                if left < 0:
                    raise too_many(self.max_entities)
                yield page

    def _include(
        self, reader: _Reader, page: list[list[Value]], steps: dict[str, Branch], most: int
    ) -> int:
        """Fetch what the steps lead to; how many entities the page then has, if not too many."""
        if len(page) > most:
            return len(page)
        maximum = self.max_entities
        include(self.executor, reader.instances(), steps, self.visible, max_entities=maximum)
        instances = [row[0] for row in page if isinstance(row[0], Instance)]
        return max(len(page), number_of_entities(instances, most))

    def one(self, query: tree.Query, id: int) -> Instance | None:
        """The entity with an id, of a query for all of its kind; None if there is none to see."""
        (variable,) = query.select.items
        assert isinstance(variable, tree.Path)
        path = tree.Path((*variable.names, "id"), at=variable.at)
        where = tree.Comparison("=", path, tree.Literal(id))
        rows = self.rows(replace(query, select=replace(query.select, where=where)))
        return next((row[0] for row in rows if isinstance(row[0], Instance)), None)


def _steps(query: tree.Query, found: Statement) -> dict[str, Branch] | None:
    """What to include; nothing where the rows are not entities."""
    if query.include is None:
        return None
    if len(query.select.items) > 1:
        raise QueryError("INCLUDE is not allowed where several are selected", query.include.at)
    item, output = query.select.items[0], found.outputs[0]
    if output.entity is None or not isinstance(item, tree.Path):
        return None
    variable = item.names[0] if len(item.names) == 1 else None
    return branches(query.include, output.entity.name, variable)


def _limited(sql: Select[Any], limit: tree.Limit | None, most: int) -> Select[Any]:
    if limit is None:
        return sql.limit(most)
    count = most if limit.count is None else min(limit.count, most)
    return sql.limit(count).offset(limit.offset)


class _Reader:
    """Makes rows of values out of rows of columns; an entity that comes again is one instance."""

    def __init__(self, outputs: tuple[Output, ...]) -> None:
        self._outputs = outputs
        self._widths = [output.width for output in outputs]
        self._numbers = [
            (place, output) for place, output in enumerate(outputs) if output.kind is Kind.NUMBER
        ]
        self._plain = all(output.entity is None for output in outputs)
        self._known: dict[tuple[int, int], Instance] = {}

    def instances(self) -> list[Instance]:
        """The entities read so far, each once."""
        return list(self._known.values())

    def read(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[list[Value]]:
        """A member for each row."""
        if not self._plain:
            return [self._with_entities(row) for row in rows]
        # The columns of the row are the values, but for numbers of other types.
        width = len(self._outputs)
        found = [list(row[:width]) for row in rows]
        for place, output in self._numbers:
            wanted = int if output.integral else float
            for values in found:
                if type(values[place]) is not wanted:
                    values[place] = plain(values[place], output)
        return found

    def _with_entities(self, row: Row[*tuple[Any, ...]]) -> list[Value]:
        values, start = [], 0
        for number, (output, width) in enumerate(zip(self._outputs, self._widths, strict=True)):
            part = row[start : start + width]
            start += width
            values.append(self._value(number, output, part))
        return values

    def _value(self, number: int, output: Output, part: tuple[Any, ...]) -> Value:
        if output.entity is None:
            return plain(part[0], output)
        key = part[output.entity.positions["id"]]
        if key is None:
            return None
        if (number, key) not in self._known:
            self._known[number, key] = Instance(output.entity, tuple(part))
        return self._known[number, key]


def plain(value: Any, output: Output) -> Value:
    """A value of the database as what the query language says it is."""
    if output.kind is Kind.NUMBER and value is not None:
        wanted = int if output.integral else float
        return value if type(value) is wanted else wanted(value)
    return value
