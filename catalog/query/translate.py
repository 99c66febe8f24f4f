"""From the tree of a query to one SELECT."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, select
from sqlalchemy.sql.elements import BinaryExpression, False_
from sqlalchemy.sql.operators import in_op

from catalog.query import tree
from catalog.query.expression import Condition, Expressions, Extra
from catalog.query.schema import Entity
from catalog.query.scope import REFUSED, Attribute, Environment, Scope, Step
from catalog.query.tables import Source, Tables, tables_of
from catalog.query.values import Kind, Value
from ijp.errors import QueryError

_UNDEFINED = "idVar '{}' referenced in the SELECT clause is not defined in the FROM clause."

Visible = Callable[[Source], Condition | None]
"""Which rows of an entity are to be seen; None is all of them."""


@dataclass(frozen=True)
class Output:
    """What one item of SELECT gives.

    Attributes:
        entity: The entity of an item that is one; then there is a column for each of the table's.
        kind: What a single value is.
    """

    kind: Kind
    entity: Entity | None = None
    integral: bool = False

    @property
    def width(self) -> int:
        """How many columns of the row it takes."""
        return 1 if self.entity is None else len(self.entity.table.columns)


@dataclass(frozen=True)
class Statement:
    """A query as SQL; columns after those of the outputs are there for sorting only.

    Attributes:
        hidden: The caller may see no row of an entity that is selected.
        is_count: The only item is a COUNT over all rows.
    """

    sql: Select[Any]
    outputs: tuple[Output, ...]
    hidden: bool
    is_count: bool


def statement(query: tree.Select, environment: Environment, visible: Visible) -> Statement:
    """Translate a query, with the condition that what it selects may be seen.

    Raises:
        QueryError: A name is unknown, or values are of the wrong kind.
    """
    return _Translation(query, Scope(environment)).statement(visible)


def inner(
    query: tree.Select, outer: Scope, *, extra: Extra | None = None
) -> tuple[Select[Any], Value]:
    """Translate a SELECT inside another one; what it reads is not checked, as with JOIN."""
    return _Translation(query, Scope(outer.environment, outer)).inner(extra)


def finish(sql: Select[Any], tables: Tables) -> Select[Any]:
    """Give a SELECT its tables and what joins them to outer ones."""
    if (tables_joined := tables.from_clause()) is not None:
        sql = sql.select_from(tables_joined)
    links = (link.own == link.other for link in tables.links)
    sql = sql.where(*links, *tables.equalities, *tables.conditions())
    return sql.correlate_except(*tables.aliases)


def _different(conditions: Sequence[Condition]) -> list[Condition]:
    """Leave out that a column is in a set that it is in already.

    Rules for what hangs on an entity are often those of the entity itself.
    """
    found: list[Condition] = []
    for one in conditions:
        if not any(_is_same_membership(one, other) for other in found):
            found.append(one)
    return found


def _is_same_membership(one: Condition, other: Condition) -> bool:
    return (
        isinstance(one, BinaryExpression)
        and isinstance(other, BinaryExpression)
        and one.operator is other.operator is in_op
        and one.left is other.left
        and one.right.compare(other.right)
    )


@dataclass(frozen=True)
class _Item:
    """One item of SELECT: its columns, and the one that tells its values apart."""

    columns: tuple[ColumnElement[Any], ...]
    output: Output
    key: ColumnElement[Any]


@dataclass(frozen=True)
class _Sort:
    column: ColumnElement[Any]
    descending: bool
    nullable: bool

    def sql(self) -> ColumnElement[Any]:
        """NULL is less than anything, whatever the database thinks of it."""
        if self.descending:
            return self.column.desc().nulls_last() if self.nullable else self.column.desc()
        return self.column.asc().nulls_first() if self.nullable else self.column.asc()


class _Translation:
    """The translation of one SELECT."""

    def __init__(self, query: tree.Select, scope: Scope) -> None:
        self._query = query
        self._scope = scope
        self._tables = scope.tables
        self._sources = [scope.declare(range) for range in query.sources]
        self._expressions = Expressions(scope, inner)
        self._plain = Expressions(scope, inner, aggregates=False)
        self._items = [self._with_join(item) for item in query.items]
        parts = [*query.items, *filter(None, [query.having])]
        self._aggregates = any(
            isinstance(part, tree.Aggregate) for one in parts for part in tree.own_parts(one)
        )

    def _with_join(self, item: tree.Expression) -> tree.Expression:
        """An item whose path, if it ends in a to-many relation, is a variable joined for it."""
        if isinstance(item, tree.Aggregate):
            return replace(item, operand=self._with_join(item.operand))
        if not isinstance(item, tree.Path):
            return item
        if self._scope.variable(item.names[0]) is None:
            message = _UNDEFINED.format(item.names[0])
            raise QueryError(message, item.at)
        found = self._scope.find(item)
        if not isinstance(found, Step) or not found.relation.to_many:
            return item
        self._scope.bind(str(item), self._tables.follow(found.origin, found.relation))
        return tree.Path((str(item),), at=item.at)

    def inner(self, extra: Extra | None) -> tuple[Select[Any], Value]:
        """The SELECT inside another one, and its value."""
        if len(self._items) != 1:
            raise QueryError("a subselect selects one value", self._query.at)
        if self._query.order_by:
            raise QueryError("a subselect has no ORDER BY", self._query.order_by[0].at)
        value = self._expressions.value(self._items[0])
        sql = self._filtered(select(value.sql))
        if extra is not None:
            sql = sql.having(extra(value)) if self._aggregates else sql.where(extra(value))
        if self._query.distinct:
            sql = sql.distinct()
        return finish(sql, self._tables), value

    def statement(self, visible: Visible) -> Statement:
        """The SELECT of the query itself."""
        self._check_items()
        items = [self._item(item) for item in self._items]
        columns = [column for item in items for column in item.columns]
        sql = self._filtered(select(*columns))
        conditions = [one for one in map(visible, self._selected()) if one is not None]
        sql = sql.where(*_different(conditions))
        order = [*self._order(), *self._tie_break(items)]
        # SQL takes a constant here for the number of a column.
        order = [one for one in order if list(tables_of(one.column))]
        if self._query.distinct:
            known = [id(column) for column in columns]
            sort_only = [one.column for one in order if id(one.column) not in known]
            sql = sql.add_columns(*sort_only).distinct()
        return Statement(
            finish(sql.order_by(*(one.sql() for one in order)), self._tables),
            tuple(item.output for item in items),
            hidden=any(isinstance(one, False_) for one in conditions),
            is_count=self._is_count(),
        )

    def _is_count(self) -> bool:
        item = self._items[0]
        alone = len(self._items) == 1 and not self._query.group_by
        return alone and isinstance(item, tree.Aggregate) and item.function == "COUNT"

    def _filtered(self, sql: Select[Any]) -> Select[Any]:
        query = self._query
        if query.where is not None:
            sql = sql.where(self._plain.condition(query.where))
        if query.group_by:
            sql = sql.group_by(*(self._group(path) for path in query.group_by))
        if query.having is not None:
            sql = sql.having(self._expressions.condition(query.having))
        return sql

    def _group(self, path: tree.Path) -> ColumnElement[Any]:
        source = self._entity(path)
        sql = self._plain.path(path).sql if source is None else source.row.c.id
        if self._tables.owns(sql):
            return sql
        # What an outer SELECT gives is the same for all rows here, and SQLite does not find it.
        return self._sources[0].row.c.id.is_(None)

    def _entity(self, path: tree.Path) -> Source | None:
        """The rows of the entity that a path ends at; None if it ends at an attribute."""
        found = self._scope.find(path)
        if isinstance(found, Step) and not found.relation.to_many:
            return found.origin.step(found.relation, self._tables)
        return found if isinstance(found, Source) else None

    def _check_items(self) -> None:
        for item in self._items:
            bare = not self._query.group_by and self._aggregates
            if bare:
                for path in _bare_paths(item):
                    raise QueryError(f"{REFUSED}'{path}' needs a GROUP BY", path.at)
            for part, *_ in tree.walk(item):
                # What they count or give would not be checked.
                if isinstance(part, tree.Select | tree.IsEmpty):
                    raise QueryError("a subselect cannot be selected", part.at)
                if isinstance(part, tree.Call) and part.function == "SIZE":
                    raise QueryError("SIZE cannot be selected", part.at)

    def _item(self, node: tree.Expression) -> _Item:
        source = self._entity(node) if isinstance(node, tree.Path) else None
        if source is not None:
            output = Output(Kind.ENTITY, source.entity)
            return _Item(tuple(source.row.columns), output, source.row.c.id)
        value = self._expressions.value(node)
        return _Item((value.sql,), Output(value.kind, integral=value.integral), value.sql)

    def _selected(self) -> list[Source]:
        """The rows that must be visible: the last entity of each path that is selected.

        Where no path is selected all of FROM counts, or the number of rows would tell of them.
        """
        found: list[Source] = []
        for path in (path for item in self._items for path in _paths(item)):
            end = self._scope.find(path)
            source = end.source if isinstance(end, Attribute) else self._entity(path)
            if source is not None and source not in found:
                found.append(source)
        return found or self._sources

    def _order(self) -> Iterator[_Sort]:
        for one in self._query.order_by:
            value = self._expressions.value(one.expression)
            yield self._sort(value.sql, one.descending)

    def _sort(self, column: ColumnElement[Any], descending: bool) -> _Sort:
        certain = isinstance(column, Column) and not column.nullable
        return _Sort(column, descending, not certain or self._tables.has_left_join)

    def _tie_break(self, items: list[_Item]) -> Iterator[_Sort]:
        """Sort by what tells rows apart, so that pages neither overlap nor leave gaps."""
        query = self._query
        descending = bool(query.order_by) and query.order_by[-1].descending
        if query.group_by:
            columns = [self._group(path) for path in query.group_by]
        elif self._aggregates:
            columns = []
        elif query.distinct:
            columns = [item.key for item in items]
        else:
            first = self._sources[0]
            others = (one.id for one in self._selected())
            columns = [first.id, *(one for one in others if one.table is not first.id.table)]
        for column in columns:
            yield self._sort(column, descending)


def _paths(node: tree.Node) -> list[tree.Path]:
    return [part for part in tree.own_parts(node) if isinstance(part, tree.Path)]


def _bare_paths(node: tree.Node) -> list[tree.Path]:
    """The paths that no aggregate stands around."""
    if isinstance(node, tree.Aggregate):
        return []
    own = [node] if isinstance(node, tree.Path) else []
    return [*own, *(path for part in tree.children(node) for path in _bare_paths(part))]
