"""The line above a table: which column is which attribute, or leads to which related object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from catalog.clashes import key_columns
from catalog.model.base import SYSTEM_ATTRIBUTES, wire_name
from catalog.query.schema import Entity, Relation, entities
from ijp.errors import BadRequestError

STAMPS = tuple(wire_name(name) for name in SYSTEM_ATTRIBUTES if name != "id")
"""Who made and who last changed an object, and when: ``createId`` and so on."""

MOST_DEPTH = 20

_MOST_SHOWN = 60


@dataclass(frozen=True)
class Attribute:
    """A column that has the value of an attribute."""

    name: str
    column: int


@dataclass(frozen=True)
class Label:
    """A column that has what an object without key is called in this file."""

    column: int


@dataclass(frozen=True)
class Related:
    """A to-one relation: what it leads to is found by the values of some columns."""

    relation: Relation
    key: tuple[Field, ...]

    def columns(self) -> Iterator[int]:
        """The columns of all values, in their order."""
        for one in self.key:
            if isinstance(one, Related):
                yield from one.columns()
            else:
                yield one.column


Field = Attribute | Label | Related


@dataclass(frozen=True)
class Header:
    """What the columns of a table are."""

    entity: Entity
    fields: tuple[Field, ...]

    @property
    def width(self) -> int:
        """How many columns a row must have."""
        return 1 + max(column for one in self.fields for column in _columns(one))

    def __str__(self) -> str:
        return f"{self.entity.name}({_text(self.fields)})"


def _columns(field: Field) -> Iterable[int]:
    return field.columns() if isinstance(field, Related) else [field.column]


def _text(fields: Iterable[Field]) -> str:
    return ",".join(_field_text(one) for one in fields)


def _field_text(field: Field) -> str:
    match field:
        case Attribute():
            return f"{field.name}:{field.column}"
        case Label():
            return f"?:{field.column}"
        case Related():
            return f"{field.relation.name}({_text(field.key)})"


def complete(entity: Entity, *, stamps: bool) -> Header:
    """The header of a table with everything that an entity has."""
    columns = iter(range(10_000))
    fields: list[Field] = [] if key_columns(entity) else [Label(next(columns))]
    if stamps:
        fields += [Attribute(name, next(columns)) for name in STAMPS]
    own = [
        name for name, column in entity.attributes.items() if column.key not in SYSTEM_ATTRIBUTES
    ]
    for name in sorted([*own, *(one.name for one in entity.to_one())]):
        fields.append(_by_key(entity, name, columns))
    return Header(entity, tuple(fields))


def _by_key(entity: Entity, name: str, columns: Iterator[int]) -> Field:
    relation = entity.relations.get(name)
    if relation is None:
        return Attribute(name, next(columns))
    target = entities()[relation.target]
    names = key_columns(target).values()
    if not names:
        return Related(relation, (Label(next(columns)),))
    return Related(relation, tuple(_by_key(target, one, columns) for one in names))


_PARSER = Lark.open("header.lark", rel_to=__file__, parser="lalr", start="header")


def parse(text: str) -> Header:
    """Read a header.

    Raises:
        BadRequestError: It is none, or names what there is not.
    """
    try:
        header: Header = _Build().transform(_PARSER.parse(text))
    except UnexpectedInput as error:
        at = error.pos_in_stream
        if at is None or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
            at = len(text)
        found = f"{text[at]!r} at character {at}" if at < len(text) else "end of the line"
        raise BadRequestError(
            f"{_shown(text)} is no header of a table: unexpected {found}"
        ) from None
    except VisitError as error:
        raise error.orig_exc from None
    return header


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…")


@dataclass(frozen=True)
class _Named:
    name: str
    given: tuple[Any, ...]


class _Build(Transformer[Token, Header]):
    """Names are looked up last, from the entity inwards."""

    def attribute(self, found: list[Token]) -> Attribute:
        return Attribute(str(found[0]), int(found[1]))

    def label(self, found: list[Token]) -> Label:
        return Label(int(found[0]))

    def fields(self, found: list[Any]) -> tuple[Any, ...]:
        return tuple(found)

    def related(self, found: list[Any]) -> _Named:
        return _Named(str(found[0]), found[1])

    def header(self, found: list[Any]) -> Header:
        name, given = str(found[0]), found[1]
        if name not in entities():
            raise BadRequestError(f"{name} is not an ICAT entity")
        entity = entities()[name]
        return Header(entity, _fields(entity, given, depth=0))


def _fields(entity: Entity, given: Iterable[Any], depth: int) -> tuple[Field, ...]:
    if depth > MOST_DEPTH:
        raise BadRequestError(f"relations are nested more than {MOST_DEPTH} deep")
    found: dict[str, Field] = {}
    for one in given:
        name = "?" if isinstance(one, Label) else one.name
        if name in found:
            raise BadRequestError(f"Field {name} is there twice in {entity.name}")
        found[name] = one if isinstance(one, Label) else _known(entity, one, depth)
    return tuple(found.values())


def _known(entity: Entity, one: Attribute | _Named, depth: int) -> Field:
    relation = entity.relations.get(one.name)
    if isinstance(one, _Named):
        if relation is None or relation.to_many:
            raise BadRequestError(f"{entity.name} has no to-one relation {one.name}")
        return Related(relation, _fields(entities()[relation.target], one.given, depth + 1))
    if one.name == "id":
        raise BadRequestError(f"Field id is set by the server in {entity.name}")
    if one.name not in entity.attributes:
        hint = f": write {one.name}(…)" if relation else ""
        raise BadRequestError(f"Field {one.name} not found in {entity.name}{hint}")
    if depth and one.name in STAMPS:
        raise BadRequestError(f"{entity.name} cannot be looked up by {one.name}")
    return one
