"""What a query should give, found by trying every combination of rows in plain Python.

It reads the tree of a query by the definition of the language. A missing value is None, and a
condition that is neither true nor false is None, too.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cmp_to_key
from typing import Any

from sqlalchemy import Connection, select

from catalog.query import tree
from catalog.query.schema import entities
from tests.catalog.query.oracle_values import (
    COMPUTE,
    FUNCTIONS,
    aggregate,
    all_of,
    any_of,
    compare,
    if_there,
    is_less,
    like,
    not_,
)


@dataclass(frozen=True)
class Place:
    """The entity that a variable stands for in one combination; ``id`` None where there is none."""

    entity: str
    id: int | None


Places = dict[str, Place]
Data = dict[str, dict[int, dict[str, Any]]]
"""Entities by kind and id; a to-one relation is the id of the other one."""


@dataclass(frozen=True)
class Row:
    """A row of the answer, and what it is sorted by: (value, whether descending)."""

    values: tuple[Any, ...]
    keys: tuple[tuple[Any, bool], ...]


def read(connection: Connection, names: Iterable[str]) -> Data:
    """All rows of some entities."""
    return {name: dict(_rows(connection, name)) for name in names}


def _rows(connection: Connection, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    entity = entities()[name]
    columns = {wire: str(column.key) for wire, column in entity.attributes.items()}
    columns |= {relation.name: relation.column for relation in entity.to_one()}
    for row in connection.execute(select(entity.table)).mappings():
        yield row["id"], {wire: row[column] for wire, column in columns.items()}


@dataclass(frozen=True)
class _Scope:
    """One combination of rows; ``group`` has all that an aggregate is taken over."""

    places: Places
    group: tuple[Places, ...] = field(default=(), repr=False)


class Oracle:
    """Evaluates queries."""

    def __init__(self, data: Data, *, user: str, now: datetime) -> None:
        self._data = data
        self._user = user
        self._now = now

    def rows(self, query: tree.Query) -> list[Row]:
        """All rows in order, LIMIT aside; those with equal keys may come in any order."""
        select, combinations = self._combinations(query.select, {})
        rows = [self._row(select, scope) for scope in self._scopes(select, combinations)]
        if select.distinct:
            rows = list({tuple(map(exact, row.values)): row for row in rows}.values())
        return sorted(rows, key=cmp_to_key(_order))

    def _row(self, select: tree.Select, scope: _Scope) -> Row:
        values = tuple(self._selected(item, scope) for item in select.items)
        keys = [
            (self._value(one.expression, scope), one.descending)
            for one in select.order_by
            if not isinstance(one.expression, tree.Literal)
        ]
        last = bool(select.order_by) and select.order_by[-1].descending
        if select.group_by:
            ties = [self._value(path, scope) for path in select.group_by]
        elif _has_aggregate(select):
            ties = []
        elif select.distinct:
            ties = [one.id if isinstance(one, Place) else one for one in values]
        else:
            ties = [scope.places[select.sources[0].variable.lower()].id]
        return Row(values, (*keys, *((one, last) for one in ties)))

    def _selected(self, item: tree.Expression, scope: _Scope) -> Any:
        place = self._entity(item, scope.places) if isinstance(item, tree.Path) else None
        if place is None:
            return self._value(item, scope)
        return None if place.id is None else place

    # Rows

    def _inner(self, select: tree.Select, places: Places) -> list[Any]:
        """The values of a SELECT inside another one."""
        select, combinations = self._combinations(select, places)
        return [self._value(select.items[0], scope) for scope in self._scopes(select, combinations)]

    def _combinations(self, select: tree.Select, outer: Places) -> tuple[tree.Select, list[Places]]:
        """All combinations for which WHERE holds, and the SELECT without to-many items."""
        found = [outer]
        for source in select.sources:
            name = source.variable.lower()
            found = [{**one, name: place} for one in found for place in self._targets(source, one)]
        items = []
        for item in select.items:
            new, found = self._joined(item, found)
            items.append(new)
        select = replace(select, items=tuple(items))
        kept = [one for one in found if all(self._exists(p, one) for p in _needed(select))]
        where = select.where
        return select, [
            one for one in kept if where is None or self._value(where, _Scope(one)) is True
        ]

    def _targets(self, source: tree.Range | tree.Join, places: Places) -> list[Place]:
        if isinstance(source, tree.Range):
            return [Place(source.entity, id) for id in sorted(self._data[source.entity])]
        origin = self._place(source.path.names[:-1], places)
        name = source.path.names[-1]
        found = self._follow(origin, name)
        if source.outer and not found:
            return [Place(entities()[origin.entity].relations[name].target, None)]
        return found

    def _follow(self, origin: Place, name: str) -> list[Place]:
        relation = entities()[origin.entity].relations[name]
        if origin.id is None:
            return []
        if not relation.to_many:
            id = self._data[origin.entity][origin.id][name]
            return [] if id is None else [Place(relation.target, id)]
        others = sorted(self._data[relation.target].items())
        return [
            Place(relation.target, other)
            for other, one in others
            if one[relation.inverse] == origin.id
        ]

    def _joined(
        self, item: tree.Expression, found: list[Places]
    ) -> tuple[tree.Expression, list[Places]]:
        """A to-many path as an item is a variable joined for it."""
        if isinstance(item, tree.Aggregate):
            operand, found = self._joined(item.operand, found)
            return replace(item, operand=operand), found
        if not isinstance(item, tree.Path) or len(item.names) == 1 or not found:
            return item, found
        origin = self._place(item.names[:-1], found[0])
        relation = entities()[origin.entity].relations.get(item.names[-1])
        if relation is None or not relation.to_many:
            return item, found
        join = tree.Join(item, str(item))
        name = str(item).lower()
        more = [{**one, name: place} for one in found for place in self._targets(join, one)]
        return tree.Path((str(item),)), more

    def _scopes(self, select: tree.Select, found: list[Places]) -> list[_Scope]:
        """What there is a row for: each combination, or each group of them."""
        if not select.group_by and not _has_aggregate(select):
            return [_Scope(one) for one in found]
        groups: dict[Any, list[Places]] = {} if select.group_by else {(): []}
        for one in found:
            values = (self._value(path, _Scope(one)) for path in select.group_by)
            groups.setdefault(tuple(map(exact, values)), []).append(one)
        scopes = [_Scope(group[0] if group else {}, tuple(group)) for group in groups.values()]
        having = select.having
        return [one for one in scopes if having is None or self._value(having, one) is True]

    # Paths

    def _place(self, names: tuple[str, ...], places: Places) -> Place:
        """Where a path of to-one steps leads to."""
        place = places[names[0].lower()]
        for name in names[1:]:
            found = self._follow(place, name)
            target = entities()[place.entity].relations[name].target
            place = found[0] if found else Place(target, None)
        return place

    def _entity(self, path: tree.Path, places: Places) -> Place | None:
        """The entity that a path ends at; None if it ends at something else."""
        if len(path.names) == 1:
            return places[path.names[0].lower()]
        origin = self._place(path.names[:-1], places)
        relation = entities()[origin.entity].relations.get(path.names[-1])
        return None if relation is None else self._place(path.names, places)

    def _exists(self, need: tuple[tree.Path, bool], places: Places) -> bool:
        """Whether a path leads through rows that are there: its steps are inner joins.

        An id is known from the foreign key that points to it; the entity itself is a row.
        """
        path, whole = need
        names = path.names
        if len(names) == 1:
            return True
        origin = self._place(names[:-1], places)
        is_relation = names[-1] in entities()[origin.entity].relations
        if is_relation and whole:
            return self._place(names, places).id is not None
        to_many = is_relation and entities()[origin.entity].relations[names[-1]].to_many
        through = names[:-2] if to_many or names[-1] == "id" else names[:-1]
        return len(through) < 2 or self._place(through, places).id is not None

    def _path(self, path: tree.Path, places: Places) -> Any:
        place = self._entity(path, places)
        if place is not None:
            return place.id
        origin = self._place(path.names[:-1], places)
        return None if origin.id is None else self._data[origin.entity][origin.id][path.names[-1]]

    # Values and conditions

    def _value(self, node: tree.Expression, scope: _Scope) -> Any:
        def of(one: tree.Expression) -> Any:
            return self._value(one, scope)

        match node:
            case tree.Path():
                return self._path(node, scope.places)
            case tree.Literal():
                return node.value
            case tree.Parameter():
                return self._user
            case tree.Now():
                midnight = self._now.replace(hour=0, minute=0, second=0, microsecond=0)
                return midnight if node.day else self._now
            case tree.Negative():
                return if_there(operator.neg, of(node.operand))
            case tree.Arithmetic():
                return if_there(COMPUTE[node.operator], of(node.left), of(node.right))
            case tree.Call(function="SIZE"):
                return len(self._many(node.arguments[0], scope))
            case tree.Call():
                return if_there(FUNCTIONS[node.function], *map(of, node.arguments))
            case tree.Aggregate():
                values = [self._value(node.operand, _Scope(one)) for one in scope.group]
                return aggregate(node, [one for one in values if one is not None])
            case tree.Subselect():
                return next(iter(self._inner(node.select, scope.places)), None)
        return self._condition(node, scope)

    def _many(self, path: tree.Expression, scope: _Scope) -> list[Place]:
        assert isinstance(path, tree.Path)
        return self._follow(self._place(path.names[:-1], scope.places), path.names[-1])

    def _condition(self, node: tree.Expression, scope: _Scope) -> Any:
        def of(one: tree.Expression) -> Any:
            return self._value(one, scope)

        match node:
            case tree.And():
                return all_of(map(of, node.members))
            case tree.Or():
                return any_of(map(of, node.members))
            case tree.Not():
                return not_(of(node.operand))
            case tree.Comparison():
                return compare(node.operator, node.left, of(node.left), node.right, of(node.right))
            case tree.Between():
                pairs = ((">=", node.low), ("<=", node.high))
                value = of(node.operand)
                return all_of(
                    compare(sign, node.operand, value, one, of(one)) for sign, one in pairs
                )
            case tree.Like():
                return if_there(
                    lambda text, pattern: like(text, pattern, node.escape),
                    of(node.operand),
                    of(node.pattern),
                )
            case tree.IsNull():
                return of(node.operand) is None
            case tree.IsEmpty():
                return not self._many(node.path, scope)
            case tree.Exists():
                return bool(self._inner(node.select, scope.places))
            case tree.In():
                return self._in(node, scope)
            case tree.Quantified():
                left = of(node.left)
                item = node.select.items[0]
                holds = [
                    compare(node.operator, node.left, left, item, value) is True
                    for value in self._inner(node.select, scope.places)
                ]
                return all(holds) if node.quantity is tree.Quantity.ALL else any(holds)
        raise AssertionError(f"the oracle does not know {node}")

    def _in(self, node: tree.In, scope: _Scope) -> bool | None:
        value = self._value(node.operand, scope)
        if isinstance(node.members, tree.Select):
            (item,) = node.members.items
            members = [(item, one) for one in self._inner(node.members, scope.places)]
        else:
            # NULL in a list is as if it was not there.
            there = [one for one in node.members if one != tree.Literal(None)]
            members = [(one, self._value(one, scope)) for one in there]
        return any_of(compare("=", node.operand, value, one, found) for one, found in members)


def _needed(select: tree.Select) -> Iterator[tuple[tree.Path, bool]]:
    """The paths of a SELECT, each with whether the entity it ends at must be there as a row."""
    for path in (*select.items, *select.group_by):
        if isinstance(path, tree.Path):
            yield path, True
    others = (*select.items, select.where, select.having, *select.order_by)
    for node in others:
        for part in tree.own_parts(node) if node is not None else ():
            if isinstance(part, tree.Path):
                yield part, False


def _has_aggregate(select: tree.Select) -> bool:
    parts = [*select.items, *filter(None, [select.having])]
    return any(isinstance(one, tree.Aggregate) for part in parts for one in tree.own_parts(part))


def exact(value: Any) -> tuple[type, Any]:
    """A value that equals only one of the same type: not True and 1."""
    return type(value), value


def _order(left: Row, right: Row) -> int:
    for (one, descending), (other, _) in zip(left.keys, right.keys, strict=True):
        if one == other:
            continue
        return -1 if is_less(one, other) != descending else 1
    return 0
