"""What INCLUDE brings with each entity: one statement for each step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Select, select

from catalog.query import tree
from catalog.query.executor import Executor, execute
from catalog.query.expression import Condition
from catalog.query.id_list import is_listed
from catalog.query.schema import Entity, Relation, entities
from catalog.query.tables import Aliases, Source, Tables
from catalog.query.translate import finish
from ijp.errors import QueryError, ValidationFailedError


class Visibility(Protocol):
    """What the caller may see."""

    def __call__(self, source: Source) -> Condition | None:
        """Which rows of an entity; None is all of them."""

    def is_public_step(self, relation: Relation) -> bool:
        """Whether everybody may follow this relation in INCLUDE, whatever it leads to."""


@dataclass(eq=False, slots=True)
class Instance:
    """An entity that was found, with the relations that were included.

    A to-one relation that was included is absent where there is none, or none to be seen.
    """

    entity: Entity
    row: tuple[Any, ...]
    included: dict[str, Instance | list[Instance]] = field(default_factory=dict)

    def value(self, column: str) -> Any:
        """The value of a column by SQL name."""
        return self.row[self.entity.positions[column]]


@dataclass
class Branch:
    """A step to follow, and the steps from what it leads to."""

    relation: Relation
    branches: dict[str, Branch] = field(default_factory=dict)


def branches(include: tree.Include, root: str, variable: str | None) -> dict[str, Branch]:
    """The steps as a tree.

    Args:
        include: The clause.
        root: The entity that is selected.
        variable: Its variable; None if it was selected by a path.

    Raises:
        QueryError: A variable or relation is unknown, or a step is there twice.
    """
    if include.one:
        return {one.name: Branch(one) for one in entities()[root].to_one()}
    found: dict[str, Branch] = {}
    known = {} if variable is None else {variable.lower(): (root, found)}
    for step in include.steps:
        last = _add(step.path, known)
        if step.variable is None:
            continue
        if step.variable.lower() in known:
            message = f"variable {step.variable} is defined twice in INCLUDE clause"
            raise QueryError(message, step.at)
        known[step.variable.lower()] = (last.relation.target, last.branches)
    return found


def _add(path: tree.Path, known: dict[str, tuple[str, dict[str, Branch]]]) -> Branch:
    if len(path.names) == 1:
        raise QueryError(f"Problem with INCLUDE clause: path {path} has no dot", path.at)
    if path.names[0].lower() not in known:
        message = f"variable {path.names[0]} mentioned in INCLUDE clause is not defined"
        raise QueryError(message, path.at)
    entity, place = known[path.names[0].lower()]
    for index, name in enumerate(path.names[1:], start=1):
        relation = entities()[entity].relations.get(name)
        at = path.position(index)
        if relation is None:
            message = f"Problem with INCLUDE clause: {entity} has no relationship field {name}"
            raise QueryError(message, at)
        if name in place and index == len(path.names) - 1:
            raise QueryError(f"INCLUDE clause contains redundant path to {name}", at)
        branch = place.setdefault(name, Branch(relation))
        entity, place = relation.target, branch.branches
    return branch


def include(
    executor: Executor,
    found: Iterable[Instance],
    steps: dict[str, Branch],
    visible: Visibility,
    *,
    max_entities: int,
) -> None:
    """Fetch what the steps lead to and put it into the instances.

    Raises:
        ValidationFailedError: A step leads to more than ``max_entities``.
    """
    waiting = [(list(found), step) for step in steps.values()]
    while waiting:
        origins, branch = waiting.pop(0)
        if not origins:
            continue
        follow = _to_many if branch.relation.to_many else _to_one
        rows = _Rows(executor, branch.relation, visible, max_entities)
        reached = follow(origins, branch.relation, rows)
        waiting.extend((reached, step) for step in branch.branches.values())


@dataclass(frozen=True)
class _Rows:
    """Fetches what a relation leads to."""

    executor: Executor
    relation: Relation
    visible: Visibility
    max_entities: int

    def where(self, name: str, ids: set[int]) -> list[Instance]:
        """The visible ones whose column has one of these values, in the order of their ids."""
        target = entities()[self.relation.target]
        tables = Tables(Aliases())
        source = tables.all_of(target)
        sql: Select[Any] = select(*source.row.columns)
        sql = sql.where(is_listed(self.executor, source.column(name), ids))
        if not self.visible.is_public_step(self.relation):
            condition = self.visible(source)
            sql = sql if condition is None else sql.where(condition)
        sql = finish(sql.order_by(source.id).limit(self.max_entities + 1), tables)
        found = execute(self.executor, sql).all()
        if len(found) > self.max_entities:
            raise too_many(self.max_entities)
        return [Instance(target, tuple(row)) for row in found]


def too_many(max_entities: int) -> ValidationFailedError:
    """The error where a search gives too much."""
    return ValidationFailedError(f"attempt to return more than {max_entities} entities")


def _to_one(origins: list[Instance], relation: Relation, rows: _Rows) -> list[Instance]:
    ids = {origin.value(relation.column) for origin in origins} - {None}
    found = {one.value("id"): one for one in rows.where("id", ids)} if ids else {}
    for origin in origins:
        target = found.get(origin.value(relation.column))
        if target is not None:
            origin.included[relation.name] = target
    return list(found.values())


def _to_many(origins: list[Instance], relation: Relation, rows: _Rows) -> list[Instance]:
    found = rows.where(relation.column, {origin.value("id") for origin in origins})
    members: dict[int, list[Instance]] = {origin.value("id"): [] for origin in origins}
    for one in found:
        members[one.value(relation.column)].append(one)
    for origin in origins:
        origin.included[relation.name] = members[origin.value("id")]
    return found


def number_of_entities(instances: Iterable[Instance], most: int) -> int:
    """How many entities these are with all that is included, counted at every place.

    Counting ends soon after ``most``.
    """
    sizes: dict[Instance, int] = {}

    def size(instance: Instance) -> int:
        if instance not in sizes:
            sizes[instance] = 1 + sum(
                size(one) if one.included else 1
                for member in instance.included.values()
                for one in (member if isinstance(member, list) else (member,))
            )
        return sizes[instance]

    total = 0
    for instance in instances:
        total += size(instance)
        if total > most:
            break
    return total
