"""Reading entities from XML: what a request wants created, replaced or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache

from catalog.description import FieldKind, describe
from catalog.items import Change, Creation, Values, about
from catalog.query.schema import Entity, Relation, entities
from catalog.soap.envelope import Element, is_nil, own_name, text_of, type_of
from catalog.soap.interface import type_name
from catalog.soap.lexical import integer, value
from catalog.validation import constraints
from catalog.values import LARGEST_ID, converters
from ijp.errors import BadRequestError, NotFoundError

_NOWHERE = 0
"""An id that nothing has: for related entities that were sent without one."""


@cache
def _by_type() -> dict[str, Entity]:
    return {type_name(name): entity for name, entity in entities().items()}


def entity_of(bean: Element) -> Entity:
    """The entity that an element is.

    Raises:
        BadRequestError: It is none, or does not say which.
    """
    name = type_of(bean)
    found = _by_type().get(name)
    if found is None:
        raise BadRequestError(f"{name[:60]} is not an ICAT entity")
    return found


@dataclass(frozen=True)
class BeanReader:
    """Reads what is to be stored.

    Attributes:
        zone: Of dates that say none.
    """

    zone: tzinfo

    def creations(self, beans: Iterable[Element]) -> list[Creation]:
        """New entities with their children.

        Raises:
            BadRequestError: With the offset of the bean that is wrong.
        """
        made = []
        for offset, bean in enumerate(beans):
            with about(offset):
                made.append(self._creation(entity_of(bean), bean, offset))
        return made

    def _creation(self, entity: Entity, bean: Element, offset: int) -> Creation:
        made = Creation(entity, self._values(entity, bean), offset)
        for relation, member in _members(entity, bean):
            child = self._creation(entities()[relation.target], member, offset)
            made.children.append((relation, child))
        return made

    def replacement(self, bean: Element) -> Change:
        """New values for all attributes and to-one relations: what is absent is null.

        To-many relations are not looked at. The change names no fields: a right to change single
        ones is not enough.

        Raises:
            BadRequestError: The bean is wrong.
            NotFoundError: It has no id.
        """
        entity = entity_of(bean)
        values = {**constraints(entity).defaults, **self._values(entity, bean)}
        return Change(entity, id_of(entity, bean), values, 0)

    def _values(self, entity: Entity, bean: Element) -> Values:
        """What stands in attributes and to-one relations, by column."""
        values: Values = {}
        seen: set[str] = set()
        fields, plain = describe(entity.name).fields, converters(entity)
        for child in bean:
            name = own_name(child)
            if name not in fields:
                raise BadRequestError(f"Field {str(child.tag)[:60]} not found in {entity.name}")
            kind = fields[name].kind
            if kind is FieldKind.MANY:
                continue
            if name in seen:
                raise BadRequestError(f"Field {name} is there twice in {entity.name}")
            seen.add(name)
            if kind is FieldKind.ONE:
                values[entity.relations[name].column] = _target(child)
            elif name in plain:
                column, convert = plain[name]
                values[column] = convert(value(kind, child, self.zone))
        return values


def _members(entity: Entity, bean: Element) -> Iterable[tuple[Relation, Element]]:
    """What stands in to-many relations; none leads back, so nesting ends after a few steps."""
    for child in bean:
        relation = entity.relations.get(own_name(child))
        if relation is not None and relation.to_many and not is_nil(child):
            yield relation, child


def targets(beans: Sequence[Element]) -> list[tuple[Entity, int]]:
    """The entities that beans stand for, by their ids.

    Raises:
        BadRequestError: With the offset of the bean that is wrong.
        NotFoundError: With the offset of a bean without id.
    """
    found = []
    for offset, bean in enumerate(beans):
        with about(offset):
            entity = entity_of(bean)
            found.append((entity, id_of(entity, bean)))
    return found


def id_of(entity: Entity, bean: Element) -> int:
    """The id of a bean.

    Raises:
        NotFoundError: It has none.
        BadRequestError: It is not a number.
    """
    found = _id(bean)
    if found is None:
        raise NotFoundError(f"{entity.name} has null primary key.")
    return found


def _id(bean: Element) -> int | None:
    given = next((child for child in bean if own_name(child) == "id"), None)
    if given is None or is_nil(given) or not (text := text_of(given).strip()):
        return None
    number = integer(text)
    if not isinstance(number, int) or abs(number) > LARGEST_ID:
        raise BadRequestError(f"Badly formatted id: {text[:60]}")
    return number


def _target(child: Element) -> int | None:
    if is_nil(child):
        return None
    found = _id(child)
    return _NOWHERE if found is None else found
