"""What clients are told of the entities: their fields, kinds, lengths and keys."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from sqlalchemy import BigInteger, Boolean, Column, Enum, Integer, String

from catalog.model import ENTITIES, Base
from catalog.model.base import SYSTEM_ATTRIBUTES, ParameterMixin, UtcDateTime, wire_name
from catalog.query.schema import Entity, Relation, entities
from ijp.errors import BadRequestError

BASE = "EntityBaseBean"
"""What all entities have in common; no entity is only this."""

PARAMETER = "Parameter"
"""What the entities that hold values of parameter types have in common."""


class FieldKind(enum.Enum):
    """What a field holds, by the word that ICAT has for it; a relation is ONE or MANY."""

    STRING = "String"
    LONG = "Long"
    INTEGER = "Integer"
    DOUBLE = "Double"
    BOOLEAN = "boolean"
    DATE = "Date"
    VALUE_TYPE = "ParameterValueType"
    STATUS = "StudyStatus"
    ONE = "ONE"
    MANY = "MANY"


RELATIONS = (FieldKind.ONE, FieldKind.MANY)


@dataclass(frozen=True)
class Field:
    """An attribute or relation of an entity.

    Attributes:
        target: The entity that a relation leads to.
        is_required: A client must give it.
        length: The most characters of a text that a client gives.
    """

    name: str
    kind: FieldKind
    target: str | None = None
    is_required: bool = False
    length: int | None = None

    @property
    def type_name(self) -> str:
        """The word for what it holds: the entity, for a relation."""
        return self.target or self.kind.value


@dataclass(frozen=True)
class Description:
    """An entity, or what several have in common.

    Attributes:
        comment: One sentence on what it is.
        fields: By name: those of all entities first, then the others in the order of their names.
        key: The names of the fields of the unique key, in its order; empty if there is none.
    """

    name: str
    comment: str
    fields: Mapping[str, Field]
    key: tuple[str, ...] = ()


def describe(name: str) -> Description:
    """The description of an entity, or of ``Parameter`` or ``EntityBaseBean``.

    Raises:
        BadRequestError: There is none of this name.
    """
    if name in (BASE, PARAMETER):
        return _in_common(name)
    if name not in entities():
        raise BadRequestError(f"{name} is not an ICAT entity")
    return _described(name)


@cache
def _described(name: str) -> Description:
    entity, model = entities()[name], ENTITIES[name]
    fields = {field: _attribute(field, column) for field, column in entity.attributes.items()}
    fields |= {one.name: _relation(entity, one) for one in entity.relations.values()}
    system = {wire_name(one): fields.pop(wire_name(one)) for one in sorted(SYSTEM_ATTRIBUTES)}
    return Description(
        name,
        _first_line(model.__doc__),
        MappingProxyType(system | dict(sorted(fields.items()))),
        tuple(wire_name(one) for one in model.__key__),
    )


@cache
def _in_common(name: str) -> Description:
    """What the members of a family of entities have in common."""
    comment = _first_line((ParameterMixin if name == PARAMETER else Base).__doc__)
    families = [describe(one).fields for one in sorted(members(name))]
    fields = {
        field: found
        for field, found in families[0].items()
        if all(family.get(field) == found for family in families)
    }
    return Description(name, comment, MappingProxyType(fields))


@cache
def members(name: str) -> frozenset[str]:
    """The entities that have in common what goes by a name."""
    if name == PARAMETER:
        found = (one for one, model in ENTITIES.items() if issubclass(model, ParameterMixin))
        return frozenset(found)
    return frozenset(ENTITIES)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _attribute(name: str, column: Column[object]) -> Field:
    kind, is_system = _kind(column), column.key in SYSTEM_ATTRIBUTES
    length = column.type.length if isinstance(column.type, String) else None
    return Field(
        name,
        kind,
        # one that is left out is false
        is_required=not (column.nullable or is_system or kind is FieldKind.BOOLEAN),
        length=length if kind is FieldKind.STRING and not is_system else None,
    )


def _kind(column: Column[object]) -> FieldKind:
    found = column.type
    if isinstance(found, Enum):
        assert found.enum_class is not None
        return FieldKind(found.enum_class.__name__)
    if column.primary_key or isinstance(found, BigInteger):
        return FieldKind.LONG
    if isinstance(found, Boolean):
        return FieldKind.BOOLEAN
    if isinstance(found, Integer):
        return FieldKind.INTEGER
    if isinstance(found, UtcDateTime):
        return FieldKind.DATE
    return FieldKind.STRING if isinstance(found, String) else FieldKind.DOUBLE


def _relation(entity: Entity, relation: Relation) -> Field:
    if relation.to_many:
        return Field(relation.name, FieldKind.MANY, relation.target)
    required = not entity.table.c[relation.column].nullable
    return Field(relation.name, FieldKind.ONE, relation.target, is_required=required)
