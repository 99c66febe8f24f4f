"""The tables of one SELECT; a table is joined only when one of its columns is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Table, literal, select, true
from sqlalchemy.sql import visitors
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.selectable import NamedFromClause

from catalog.query.schema import Entity, Relation, entities

Alias = NamedFromClause[ReadOnlyColumnCollection[str, Column[Any]]]
"""A table under a name of its own in one SELECT."""


@lru_cache(maxsize=2048)
def _alias(table: Table, number: int) -> Alias:
    made = table.alias(f"{table.name}_{number}")
    # Its columns are made now, by the thread that will share it, and not by two at once later.
    assert made.c
    return made


class Aliases:
    """Gives each use of a table in one statement a name of its own.

    Making an alias takes longer than all else that is done for it, so they are kept for the next
    statement.
    """

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()

    def next(self, table: Table) -> Alias:
        """A table under a name that the statement has not used yet."""
        self._used[table.name] += 1
        return _alias(table, self._used[table.name])


@dataclass(frozen=True)
class Link:
    """An equality of a column of these tables with one of an outer SELECT."""

    own: Column[Any]
    other: Column[Any]


@dataclass(frozen=True)
class _Step:
    alias: Alias
    on: ColumnElement[bool] | None
    outer: bool


class Tables:
    """The tables of one SELECT in the order they are joined, and how they hang on outer ones."""

    def __init__(self, names: Aliases) -> None:
        """Take the names of the statement."""
        self.names = names
        self._steps: list[_Step] = []
        self._sources: list[Source] = []
        self.links: list[Link] = []
        self.equalities: list[ColumnElement[bool]] = []
        self.has_left_join = False

    @property
    def aliases(self) -> list[Alias]:
        """The tables joined so far."""
        return [step.alias for step in self._steps]

    def owns(self, expression: ColumnElement[Any]) -> bool:
        """Whether any of its columns is of these tables."""
        return any(table in self.aliases for table in tables_of(expression))

    def all_of(self, entity: Entity) -> Source:
        """A source of all entities of a kind."""
        alias = self.names.next(entity.table)
        self._steps.append(_Step(alias, None, outer=False))
        return Source(entity, self, alias)

    def follow(self, origin: Source, relation: Relation, *, outer: bool = False) -> Source:
        """The source of what a relation leads to from another one.

        Without ``outer`` rows of the origin that have no such relation are left out.
        """
        self.has_left_join |= outer
        target = entities()[relation.target]
        if relation.to_many:
            alias = self.names.next(target.table)
            self.link(alias.c[relation.column], origin.id, alias, outer=outer)
            source = Source(target, self, alias, optional=outer)
            if not outer:
                source.came_from(origin, relation)
            return source
        link = origin.column(relation.column)
        source = Source(target, self, link=link, outer=outer, optional=outer or origin.optional)
        self._sources.append(source)
        return source

    def step(self, origin: Source, relation: Relation) -> Source:
        """The source at a to-one step of a path; rows without are left out once it is joined."""
        target = entities()[relation.target]
        link = origin.column(relation.column)
        return Source(target, self, link=link, optional=origin.optional)

    def link(
        self, own: Column[Any], other: Column[Any], alias: Alias, *, outer: bool = False
    ) -> None:
        """Join a table by an equality of one of its columns with one that is there already."""
        if not outer and not self.owns(other):
            self._steps.append(_Step(alias, None, outer=False))
            self.connect(own, other)
            return
        self._steps.append(_Step(alias, own == other, outer))

    def connect(self, own: Column[Any], other: Column[Any]) -> None:
        """Demand that a column equals one of an outer SELECT."""
        for link in self.links:
            if link.other is other:
                self.equalities.append(own == link.own)
                return
        self.links.append(Link(own, other))

    def from_clause(self) -> FromClause | None:
        """All tables as one FROM, without the links to outer tables; None if there are none."""
        found: FromClause | None = None
        if self._steps and self._steps[0].outer:
            found = select(literal(1).label("one")).subquery()
        for step in self._steps:
            on = true() if step.on is None else step.on
            found = step.alias if found is None else found.join(step.alias, on, isouter=step.outer)
        return found

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """What joins alone would say of relations whose table was never needed."""
        for source in self._sources:
            if source.is_bare_inner and (source.optional or source.id.nullable):
                yield source.id.is_not(None)


class Source:
    """The rows of one entity in a SELECT: of a variable, or at a step of a path."""

    def __init__(
        self,
        entity: Entity,
        tables: Tables,
        alias: Alias | None = None,
        *,
        link: Column[Any] | None = None,
        outer: bool = False,
        optional: bool = False,
    ) -> None:
        """Take the alias of the table, or the foreign key by which it can be joined."""
        assert alias is not None or link is not None
        self.entity = entity
        self.optional = optional
        self._tables = tables
        self._alias: Alias | None = alias
        self._link = link
        self._outer = outer
        self._steps: dict[tuple[int, str], Source] = {}

    @property
    def id(self) -> Column[Any]:
        """The id, taken from a foreign key where there is one."""
        if self._link is not None:
            return self._link
        assert self._alias is not None
        return self._alias.c.id

    @property
    def row(self) -> Alias:
        """The table, joined now if it was not."""
        if self._alias is None:
            assert self._link is not None
            self._alias = self._tables.names.next(self.entity.table)
            self._tables.link(self._alias.c.id, self._link, self._alias, outer=self._outer)
        return self._alias

    @property
    def names(self) -> Aliases:
        """The names of the statement that it is in."""
        return self._tables.names

    @property
    def tables(self) -> list[FromClause]:
        """The tables that its columns, and those at its own steps, come from so far."""
        own = [] if self._alias is None else [self._alias]
        beyond = [
            table
            for (owner, _), step in self._steps.items()
            if owner == id(self._tables) and step.is_joined
            for table in step.tables
        ]
        return [*own, self.id.table, *beyond]

    @property
    def is_bare_inner(self) -> bool:
        """Its table was not joined, and a row without it must not be there."""
        return self._alias is None and not self._outer

    @property
    def is_joined(self) -> bool:
        """Whether its table is joined."""
        return self._alias is not None

    def column(self, name: str) -> Column[Any]:
        """A column of its table by SQL name."""
        return self.id if name == "id" else self.row.c[name]

    def came_from(self, origin: Source, relation: Relation) -> None:
        """Let the way back of a to-many relation lead to the row that it was followed from."""
        for back in self.entity.to_one():
            if back.column == relation.column and back.target == origin.entity.name:
                self._steps[id(self._tables), back.name] = origin

    def step(self, relation: Relation, tables: Tables) -> Source:
        """What a to-one relation leads to; the same step of the same tables is made once.

        A SELECT inside this one goes on from the row that is joined here already, if it is: the
        database then needs not find that row once more among all.
        """
        own = self._steps.get((id(self._tables), relation.name))
        if own is not None and own.is_joined:
            return own
        key = (id(tables), relation.name)
        if key not in self._steps:
            self._steps[key] = tables.step(self, relation)
        return self._steps[key]


def tables_of(expression: ColumnElement[Any]) -> Iterator[FromClause]:
    """The tables of all columns in an expression, those of subselects included."""
    for part in visitors.iterate(expression):
        table = getattr(part, "table", None)
        if isinstance(table, FromClause):
            yield table
