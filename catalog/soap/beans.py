"""Reading entities from XML: what a request wants created, replaced or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache

from catalog.description import FieldKind, describe
from catalog.items import Change, Creation, Values, about
from catalog.query.schema import Entity, Relation, entities
from catalog.soap.envelope import Element, is_nil, text_of, type_of
from catalog.soap.interface import NAMESPACE, type_name
from catalog.soap.lexical import integer, value
from catalog.validation import constraints
from catalog.values import LARGEST_ID, Convert, converters
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
        values, members = self._read(entity, bean)
        children = [
            (relation, self._creation(target, member, offset))
            for relation, target, member in members
        ]
        return Creation(entity, values, offset, children)

    def replacement(self, bean: Element) -> Change:
        """New values for all attributes and to-one relations: what is absent is null.

        To-many relations are not looked at. The change names no fields: a right to change single
        ones is not enough.

        Raises:
            BadRequestError: The bean is wrong.
            NotFoundError: It has no id.
        """
        entity = entity_of(bean)
        given, _ = self._read(entity, bean)
        values = {**constraints(entity).defaults, **given}
        return Change(entity, id_of(entity, bean), values, 0)

    def _read(self, entity: Entity, bean: Element) -> tuple[Values, list[_Member]]:
        """What stands in attributes and to-one relations, by column; and in to-many relations."""
        values: Values = {}
        members: list[_Member] = []
        seen: set[str] = set()
        known = _places(entity)
        for child in bean:
            place = known.get(child.tag)
            if place is None:
                raise BadRequestError(f"Field {str(child.tag)[:60]} not found in {entity.name}")
            if place.many is not None:
                if not is_nil(child):
                    members.append((*place.many, child))
                continue
            if place.name in seen:
                raise BadRequestError(f"Field {place.name} is there twice in {entity.name}")
            seen.add(place.name)
            if place.kind is FieldKind.ONE:
                values[place.column] = _target(child)
            elif place.convert is not None:
                values[place.column] = place.convert(value(place.kind, child, self.zone))
        return values, members


_Member = tuple[Relation, Entity, Element]
"""A new entity, with the relation of its parent in which it stands."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where what stands in an element belongs.

    Attributes:
        column: Empty for what is not stored: to-many relations, and what the server sets.
        convert: Makes what is stored in an attribute.
        many: A to-many relation, and the entity that it leads to; none leads back, so nesting
            ends after a few steps.
    """

    name: str
    kind: FieldKind
    column: str = ""
    convert: Convert | None = None
    many: tuple[Relation, Entity] | None = None


@cache
def _places(entity: Entity) -> dict[str, _Place]:
    """By the tag of the element, which is in our namespace or in none."""
    found = [_place(entity, one.name, one.kind) for one in describe(entity.name).fields.values()]
    return {tag: one for one in found for tag in (one.name, f"{{{NAMESPACE}}}{one.name}")}


def _place(entity: Entity, name: str, kind: FieldKind) -> _Place:
    relation = entity.relations.get(name)
    if relation is None:
        column, convert = converters(entity).get(name, ("", None))
        return _Place(name, kind, column, convert)
    if relation.to_many:
        return _Place(name, kind, many=(relation, entities()[relation.target]))
    return _Place(name, kind, relation.column)


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


_ID_TAGS = ("id", f"{{{NAMESPACE}}}id")


def _id(bean: Element) -> int | None:
    given = next((child for child in bean if child.tag in _ID_TAGS), None)
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
