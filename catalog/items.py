"""What a front wants written: new entities with their children, and changes of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from catalog.query.schema import Entity, Relation
from ijp.errors import PortalError

Values = dict[str, object]
"""Values by the name of the column; those of to-one relations are ids."""


@dataclass(slots=True, eq=False)
class Creation:
    """A new entity.

    Attributes:
        children: New entities of to-many relations; they get their way back when this is stored.
        offset: Which member of the request, from 0, it belongs to.
        id: Given by the database; 0 until then.
    """

    entity: Entity
    values: Values
    offset: int
    children: list[tuple[Relation, Creation]] = field(default_factory=list)
    id: int = 0


@dataclass(slots=True, eq=False)
class Change:
    """New values for some columns of an entity that exists, and new children of it.

    Attributes:
        fields: The names on the wire of everything that is given.
    """

    entity: Entity
    id: int
    values: Values
    offset: int
    fields: set[str] = field(default_factory=set)
    children: list[tuple[Relation, Creation]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Item:
    """A member of a request: changes, which come first, and perhaps a new entity."""

    changes: list[Change] = field(default_factory=list)
    creation: Creation | None = None


@contextmanager
def about(offset: int) -> Iterator[None]:
    """Let errors say which member of the request they are about."""
    try:
        yield
    except PortalError as error:
        if error.offset is None:
            error.offset = offset
        raise
