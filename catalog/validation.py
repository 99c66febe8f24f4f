"""Whether values may be stored, as far as that shows without the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, Enum, String

from catalog.items import Change, Creation, Values, about
from catalog.model.base import SYSTEM_ATTRIBUTES
from catalog.query.schema import Entity
from ijp.errors import ValidationFailedError

TYPE_NOT_SET = "Type of parameter is not set"


@dataclass(frozen=True)
class Constraints:
    """What the columns of an entity ask for.

    Attributes:
        required: Columns that must not be NULL, with their names on the wire.
        lengths: The most characters of text columns, with their names on the wire.
        defaults: A row in which nothing was given; without the system attributes.
    """

    required: Mapping[str, str]
    lengths: Mapping[str, tuple[str, int]]
    defaults: Mapping[str, object]


@cache
def constraints(entity: Entity) -> Constraints:
    """What an entity asks for, in the order of the names on the wire."""
    names = {relation.column: relation.name for relation in entity.to_one()}
    names |= {column.key: name for name, column in entity.attributes.items()}
    columns = sorted(
        (column for column in entity.table.columns if column.key not in SYSTEM_ATTRIBUTES),
        key=lambda column: names[column.key],
    )
    return Constraints(
        required={one.key: names[one.key] for one in columns if not one.nullable},
        lengths={
            one.key: (names[one.key], one.type.length)
            for one in columns
            if isinstance(one.type, String) and not isinstance(one.type, Enum) and one.type.length
        },
        defaults={one.key: _default(one) for one in columns},
    )


def _default(column: Column[object]) -> object:
    return column.default.arg if column.default is not None else None  # type: ignore[attr-defined]


def check_creation(creation: Creation, owner_column: str | None = None) -> None:
    """Check a new entity and all its children.

    Args:
        owner_column: What leads back to the parent, and is filled when that is stored.

    Raises:
        ValidationFailedError: Something is missing or too long.
    """
    entity, values = creation.entity, creation.values
    known = constraints(entity)
    with about(creation.offset):
        for column, name in known.required.items():
            if values.get(column, known.defaults[column]) is None and column != owner_column:
                raise _missing(entity, name)
        _check_lengths(entity, values)
    for relation, child in creation.children:
        check_creation(child, relation.column)


def check_change(change: Change) -> None:
    """Check new values of an entity that exists, and its new children.

    Raises:
        ValidationFailedError: Something is missing or too long.
    """
    known = constraints(change.entity)
    with about(change.offset):
        for column, value in change.values.items():
            if value is None and column in known.required:
                raise _missing(change.entity, known.required[column])
        _check_lengths(change.entity, change.values)
    for relation, child in change.children:
        check_creation(child, relation.column)


def _missing(entity: Entity, name: str) -> ValidationFailedError:
    if name == "type" and entity.name.endswith("Parameter"):
        return ValidationFailedError(TYPE_NOT_SET)
    return ValidationFailedError(f"{entity.name}: {name} cannot be null.")


def _check_lengths(entity: Entity, values: Values) -> None:
    lengths = constraints(entity).lengths
    for column, value in values.items():
        if isinstance(value, str) and column in lengths and len(value) > lengths[column][1]:
            name, most = lengths[column]
            raise ValidationFailedError(f"{entity.name}: {name} cannot have length > {most}")
