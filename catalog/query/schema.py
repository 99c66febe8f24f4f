"""What an entity has, by the names that queries use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType

from sqlalchemy import Column, Table, inspect
from sqlalchemy.orm import Mapper, MapperProperty, RelationshipDirection, RelationshipProperty

from catalog.model import ENTITIES
from catalog.model.base import wire_name


@dataclass(frozen=True)
class Relation:
    """A step from one entity to another, or to many.

    Attributes:
        origin: The entity that it starts from.
        name: Its name on the wire.
        target: The entity that it leads to.
        to_many: It leads to any number of them; then ``column`` is in the target's table.
        column: The name of the foreign key's column.
        inverse: The name of the relation that leads back.
    """

    origin: str
    name: str
    target: str
    to_many: bool
    column: str
    inverse: str


@dataclass(frozen=True, eq=False)
class Entity:
    """An entity as queries see it: camelCase names, columns and relations."""

    name: str
    table: Table
    attributes: Mapping[str, Column[object]] = field(repr=False)
    relations: Mapping[str, Relation] = field(repr=False)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The places of the table's columns by SQL name."""
        return {str(column.key): place for place, column in enumerate(self.table.columns)}

    def to_one(self) -> list[Relation]:
        """The relations that lead to one entity or none."""
        return [relation for relation in self.relations.values() if not relation.to_many]

    def to_many(self) -> list[Relation]:
        """The relations that lead to any number of entities."""
        return [relation for relation in self.relations.values() if relation.to_many]


@cache
def entities() -> Mapping[str, Entity]:
    """All entities by name."""
    return MappingProxyType({name: _entity(name) for name in sorted(ENTITIES)})


def _entity(name: str) -> Entity:
    mapper: Mapper[object] = inspect(ENTITIES[name])
    table = mapper.local_table
    assert isinstance(table, Table)
    attributes = {
        wire_name(column.key): column for column in table.columns if not column.foreign_keys
    }
    relations = {wire_name(one.key): _relation(name, one) for one in mapper.relationships}
    return Entity(
        name,
        table,
        MappingProxyType(dict(sorted(attributes.items()))),
        MappingProxyType(dict(sorted(relations.items()))),
    )


def _relation(origin: str, found: RelationshipProperty[object]) -> Relation:
    ((local, remote),) = found.local_remote_pairs or ()
    to_many = found.direction is RelationshipDirection.ONETOMANY
    inverse = found.back_populates
    assert inverse is not None
    return Relation(
        origin=origin,
        name=wire_name(found.key),
        target=found.mapper.class_.__name__,
        to_many=to_many,
        column=str((remote if to_many else local).key),
        inverse=wire_name(inverse.key if isinstance(inverse, MapperProperty) else inverse),
    )
