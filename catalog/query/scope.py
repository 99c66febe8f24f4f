"""The names of a query: variables, and what paths from them lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, String, bindparam, literal

from catalog.model.base import UtcDateTime
from catalog.query import tree
from catalog.query.schema import Relation, entities
from catalog.query.tables import Aliases, Source, Tables
from ijp.errors import QueryError

REFUSED = "An exception occurred while creating a query in EntityManager: "
"""How messages start on what is well formed, but cannot be run."""

_USER, _NOW, _DAY = "asking_user", "asking_now", "asking_day"


@dataclass(frozen=True)
class Environment:
    """What a query may use from outside of it.

    Attributes:
        user: The value of ``:user``.
        now: The value of CURRENT_TIMESTAMP.
        numbers: The values of further parameters.
        is_open: User and moment are not in the statement, but told when it is run: see ``told``.
    """

    user: str
    now: datetime
    numbers: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    is_open: bool = False

    def user_sql(self) -> ColumnElement[str]:
        """The user in a statement."""
        if self.is_open:
            return bindparam(_USER, type_=String())
        return literal(self.user, String())

    def moment_sql(self, *, day: bool) -> ColumnElement[datetime]:
        """The moment in a statement, or the beginning of its day in UTC."""
        if self.is_open:
            return bindparam(_DAY if day else _NOW, type_=UtcDateTime())
        return literal(self._day() if day else self.now.astimezone(UTC), UtcDateTime())

    def told(self) -> dict[str, object]:
        """What a statement is told that was made in an open environment."""
        return {_USER: self.user, _NOW: self.now.astimezone(UTC), _DAY: self._day()}

    def _day(self) -> datetime:
        return self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


OPEN = Environment("", datetime.min.replace(tzinfo=UTC), is_open=True)
"""For statements that are kept for whoever asks the same later."""


@dataclass(frozen=True)
class Attribute:
    """A path that ends in an attribute."""

    source: Source
    name: str

    @property
    def column(self) -> Column[Any]:
        """Its column."""
        found = self.source.entity.attributes[self.name]
        return self.source.column(str(found.key))


@dataclass(frozen=True)
class Step:
    """A path that ends in a relation."""

    origin: Source
    relation: Relation


class Scope:
    """The variables of one SELECT, and of those around it."""

    def __init__(
        self, environment: Environment, outer: Scope | None = None, names: Aliases | None = None
    ) -> None:
        """Take the scope around it, or else the names of the statement that it becomes part of."""
        self.environment = environment
        self.tables: Tables = Tables(outer.tables.names if outer else names or Aliases())
        self._outer = outer
        self._variables: dict[str, Source] = {}

    def bind(self, variable: str, source: Source) -> None:
        """Let a variable stand for rows of an outer SELECT."""
        self._variables[variable.lower()] = source

    def own_column(self) -> Column[Any] | None:
        """A column of this SELECT's own rows that is never missing; None if it is in no other."""
        return next(iter(self._variables.values())).row.c.id if self._outer else None

    def declare(self, range: tree.Range | tree.Join) -> Source:
        """Add what a range or join of FROM stands for.

        Raises:
            QueryError: The entity, variable or relation is unknown, or the variable is taken.
        """
        if range.variable.lower() in self._variables:
            raise QueryError(f"Variable {range.variable} is defined twice", range.at)
        if isinstance(range, tree.Range):
            if range.entity not in entities():
                raise QueryError(f"{range.entity} is not an ICAT entity", range.at)
            source = self.tables.all_of(entities()[range.entity])
        else:
            source = self._joined(range)
        self._variables[range.variable.lower()] = source
        return source

    def _joined(self, join: tree.Join) -> Source:
        found = self.find(join.path)
        if not isinstance(found, Step):
            entity, name = self._last(join.path)
            message = f"{entity} has no relationship field {name}"
            raise QueryError(message, join.path.position(len(join.path.names) - 1))
        return self.tables.follow(found.origin, found.relation, outer=join.outer)

    def _last(self, path: tree.Path) -> tuple[str, str]:
        origin = (
            self.source(tree.Path(path.names[:-1], at=path.at)) if len(path.names) > 1 else None
        )
        return (origin.entity.name if origin else "A variable", path.names[-1])

    def variable(self, name: str) -> Source | None:
        """The rows that a variable stands for, here or in a SELECT around; None if unknown."""
        scope: Scope | None = self
        while scope is not None:
            if (source := scope._variables.get(name.lower())) is not None:
                return source
            scope = scope._outer
        return None

    def source(self, path: tree.Path) -> Source:
        """The rows of the entity that a path of to-one steps leads to.

        Raises:
            QueryError: A name on the path is unknown, or leads to many.
        """
        found = self.variable(path.names[0])
        if found is None:
            raise QueryError(
                f"{REFUSED}The identification variable '{path.names[0]}' is not defined", path.at
            )
        for index, name in enumerate(path.names[1:], start=1):
            relation = found.entity.relations.get(name)
            at = path.position(index)
            if relation is None:
                raise QueryError(f"{found.entity.name} has no relationship field {name}", at)
            if relation.to_many:
                raise QueryError(f"{REFUSED}'{path}' goes through to-many relation {name}", at)
            found = found.step(relation, self.tables)
        return found

    def find(self, path: tree.Path) -> Source | Attribute | Step:
        """What a path leads to: the rows of a variable, an attribute, or a relation.

        Raises:
            QueryError: A name on the path is unknown.
        """
        if len(path.names) == 1:
            return self.source(path)
        origin = self.source(tree.Path(path.names[:-1], at=path.at))
        name = path.names[-1]
        if name in origin.entity.attributes:
            return Attribute(origin, name)
        if name in origin.entity.relations:
            return Step(origin, origin.entity.relations[name])
        at = path.position(len(path.names) - 1)
        raise QueryError(f"{origin.entity.name} has no field {name}", at)
