"""Which rows rules allow, as a condition for the statement that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, literal, or_, select, true, union_all

from catalog.authz.definition import Definition
from catalog.query import tree
from catalog.query.expression import Condition, Expressions
from catalog.query.schema import Relation
from catalog.query.scope import Environment, Scope, Step
from catalog.query.tables import Source, Tables, tables_of
from catalog.query.translate import finish, inner


@dataclass(frozen=True)
class VisibleRows:
    """What one user may see (or do another thing to), by the definitions of the rules for it.

    Attributes:
        public_steps: Origin and name of relations that everybody may follow.
    """

    definitions: Sequence[Definition]
    environment: Environment
    public_steps: frozenset[tuple[str, str]] = frozenset()

    def __call__(self, source: Source) -> Condition | None:
        """The condition on rows of an entity: one of the rules holds; None if all are allowed."""
        own = [one for one in self.definitions if one.entity == source.entity.name]
        if any(not one.is_restricted for one in own):
            return None
        return _any_of(_membership(one, source, self.environment) for one in own)

    def is_public_step(self, relation: Relation) -> bool:
        """Whether a PublicStep names this relation."""
        return (relation.origin, relation.name) in self.public_steps


class AllRows:
    """What a root user may see."""

    def __call__(self, source: Source) -> Condition | None:
        """All of it."""
        return None

    def is_public_step(self, relation: Relation) -> bool:
        """All are."""
        return True


@dataclass(frozen=True)
class _Membership:
    """That a row is one of those of a rule: these hold, and the column is among the members.

    Members of several rules for the same column are put into one set, so that the database can
    start from it instead of testing each row against each rule.
    """

    conditions: tuple[Condition, ...] = ()
    column: ColumnElement[Any] | None = None
    members: Select[Any] | None = None


def _any_of(memberships: Iterable[_Membership]) -> Condition:
    alternatives: list[Condition] = []
    sets: dict[int, tuple[ColumnElement[Any], list[Select[Any]]]] = {}
    for one in memberships:
        if one.column is None or one.members is None:
            alternatives.append(and_(true(), *one.conditions))
        elif one.conditions:
            alternatives.append(and_(*one.conditions, one.column.in_(one.members)))
        else:
            sets.setdefault(id(one.column), (one.column, []))[1].append(one.members)
    for column, members in sets.values():
        alternatives.append(column.in_(union_all(*members) if len(members) > 1 else members[0]))
    return or_(*alternatives) if alternatives else false()


def _membership(rule: Definition, source: Source, environment: Environment) -> _Membership:
    parts = _Parts(rule, source, environment)
    if parts.tables.has_left_join:
        return _as_a_whole(rule, source, environment)
    if not parts.tables.aliases:
        return _Membership(tuple(parts.outside))
    links = parts.tables.links
    if len(links) == 1 and not parts.mixed:
        return _Membership(tuple(parts.outside), links[0].other, parts.members(links[0].own))
    return _Membership((*parts.outside, parts.exists()))


def _as_a_whole(rule: Definition, source: Source, environment: Environment) -> _Membership:
    """Membership in all that the rule selects, wherever the row stands in it."""
    query = replace(rule.select, items=(tree.Path((rule.variable,)),))
    members, _ = inner(query, Scope(environment, names=source.names))
    return _Membership((), source.id, members)


@dataclass
class _Parts:
    """A rule taken apart by what its conditions are about.

    The row in question takes the place of the rule's variable. ``outside`` is about nothing
    else, ``inside`` only about other tables of the rule, ``mixed`` about both.
    """

    rule: Definition
    source: Source
    environment: Environment
    tables: Tables = field(init=False)
    outside: list[Condition] = field(default_factory=list)
    inside: list[Condition] = field(default_factory=list)
    mixed: list[Condition] = field(default_factory=list)

    def __post_init__(self) -> None:
        scope = Scope(self.environment, names=self.source.names)
        self.tables = scope.tables
        for range in self.rule.select.sources:
            if range.variable.lower() == self.rule.variable.lower():
                self._bind(scope, range)
            else:
                scope.declare(range)
        expressions = Expressions(scope, inner, aggregates=False)
        # All are translated before any is looked at: each may join further tables.
        found = [expressions.condition(one) for one in tree.conjuncts(self.rule.select.where)]
        for condition in (*found, *self.tables.conditions()):
            self._place(condition)

    def _bind(self, scope: Scope, range: tree.Range | tree.Join) -> None:
        scope.bind(range.variable, self.source)
        if isinstance(range, tree.Range):
            return
        found = scope.find(range.path)
        assert isinstance(found, Step)
        relation = found.relation
        self.tables.has_left_join |= range.outer
        if relation.to_many:
            self.tables.connect(found.origin.id, self.source.column(relation.column))
        else:
            self.tables.connect(found.origin.column(relation.column), self.source.id)

    def _place(self, condition: Condition) -> None:
        used = set(tables_of(condition))
        about_others = not used.isdisjoint(self.tables.aliases)
        about_row = not used.isdisjoint(self.source.tables)
        if not about_others:
            self.outside.append(condition)
        else:
            (self.mixed if about_row else self.inside).append(condition)

    def members(self, column: ColumnElement[Any]) -> Select[Any]:
        """The values of one column of the other tables."""
        joined = self.tables.from_clause()
        assert joined is not None
        found = select(column).select_from(joined).where(*self.inside, *self.tables.equalities)
        return found.correlate_except(*self.tables.aliases)

    def exists(self) -> Condition:
        """That there are rows of the other tables that go with the row in question."""
        found = select(literal(1)).where(*self.inside, *self.mixed)
        return finish(found, self.tables).exists()
