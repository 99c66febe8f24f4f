"""Reading entities from XML: what a request wants created, replaced or deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from catalog.description import FieldKind, describe
from catalog.items import Change, Creation, Values, about
from catalog.query.schema import Entity, Relation, entities
from catalog.soap.envelope import Element, is_nil, own_name, text_of, type_of
from catalog.soap.interface import type_name
from catalog.validation import constraints
from catalog.values import LARGEST_ID, converters
from ijp.errors import BadRequestError, NotFoundError

_DAY = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)(?P<zone>Z|[+-]\d\d:\d\d|)", re.ASCII)

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


def creations(beans: Iterable[Element]) -> list[Creation]:
    """New entities with their children.

    Raises:
        BadRequestError: With the offset of the bean that is wrong.
    """
    made = []
    for offset, bean in enumerate(beans):
        with about(offset):
            made.append(_creation(entity_of(bean), bean, offset))
    return made


def _creation(entity: Entity, bean: Element, offset: int) -> Creation:
    made = Creation(entity, _values(entity, bean), offset)
    for relation, member in _members(entity, bean):
        child = _creation(entities()[relation.target], member, offset)
        made.children.append((relation, child))
    return made


def _members(entity: Entity, bean: Element) -> Iterable[tuple[Relation, Element]]:
    """What stands in to-many relations; none leads back, so nesting ends after a few steps."""
    for child in bean:
        relation = entity.relations.get(own_name(child))
        if relation is not None and relation.to_many and not is_nil(child):
            yield relation, child


def replacement(bean: Element) -> Change:
    """New values for all attributes and to-one relations of an entity: what is absent is null.

    To-many relations are not looked at. The change names no fields: a right to change single
    ones is not enough.

    Raises:
        BadRequestError: The bean is wrong.
        NotFoundError: It has no id.
    """
    entity = entity_of(bean)
    values = {**constraints(entity).defaults, **_values(entity, bean)}
    return Change(entity, id_of(entity, bean), values, 0)


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
    number = _integer(text)
    if not isinstance(number, int) or abs(number) > LARGEST_ID:
        raise BadRequestError(f"Badly formatted id: {text[:60]}")
    return number


def _values(entity: Entity, bean: Element) -> Values:
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
            values[column] = convert(_value(kind, child))
    return values


def _target(child: Element) -> int | None:
    if is_nil(child):
        return None
    found = _id(child)
    return _NOWHERE if found is None else found


def _value(kind: FieldKind, child: Element) -> object:
    """The value as JSON would have it; text that cannot be one is left for the converter."""
    if is_nil(child):
        return False if kind is FieldKind.BOOLEAN else None
    text = text_of(child)
    if kind is FieldKind.STRING:
        return text
    text = text.strip()
    if not text:
        return False if kind is FieldKind.BOOLEAN else None
    return _LEXICAL.get(kind, _same)(text)


def _same(text: str) -> object:
    return text


def _boolean(text: str) -> object:
    return {"true": True, "1": True, "false": False, "0": False}.get(text, text)


def _integer(text: str) -> object:
    digits = text[1:] if text[0] in "+-" else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 40 else text


def _double(text: str) -> object:
    if text in ("INF", "-INF", "NaN"):
        return float(text)
    if not text.isascii() or "_" in text or text.lower().lstrip("+-")[:1] in ("i", "n"):
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _date(text: str) -> object:
    """A moment as JSON would have it: a day is its beginning, and microseconds are the end."""
    if day := _DAY.fullmatch(text):
        return f"{day['day']}T00:00:00{day['zone']}"
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{head}{dot}{digits[:6]}{rest[len(digits) :]}" if len(digits) > 6 else text


_LEXICAL: dict[FieldKind, Callable[[str], object]] = {
    FieldKind.BOOLEAN: _boolean,
    FieldKind.INTEGER: _integer,
    FieldKind.LONG: _integer,
    FieldKind.DOUBLE: _double,
    FieldKind.DATE: _date,
}
