"""Values of a query with what kind they are, so that only like is compared with like."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Enum,
    Integer,
    String,
    literal,
    null,
)
from sqlalchemy.types import TypeEngine

from catalog.model.base import UtcDateTime
from catalog.query import tree
from catalog.query.tables import Source
from ijp.errors import QueryError


class Kind(enum.Enum):
    """What can be compared with each other; the value is the word for messages."""

    NUMBER = "a number"
    TEXT = "a string"
    MOMENT = "a date"
    TRUTH = "a boolean"
    CHOICE = "an enumeration"
    ENTITY = "an entity"
    NOTHING = "NULL"


@dataclass(frozen=True)
class Value:
    """A value in SQL.

    Attributes:
        constant: It stands in the query as ``literal``, so it may be read as another kind.
        integral: A number without fraction, in whatever type the database gives it.
        source: The rows of an entity; then ``sql`` is its id.
        choices: The type of an enumeration's column.
    """

    kind: Kind
    sql: ColumnElement[Any]
    at: int
    constant: bool = False
    literal: tree.Constant = None
    integral: bool = False
    source: Source | None = None
    choices: Enum | None = None


def of_column(column: ColumnElement[Any], at: int) -> Value:
    """The value of an attribute."""
    kind = _kind(column.type)
    integral = isinstance(column.type, Integer)
    choices = column.type if isinstance(column.type, Enum) else None
    return Value(kind, column, at, integral=integral, choices=choices)


def _kind(found: TypeEngine[Any]) -> Kind:
    if isinstance(found, UtcDateTime):
        return Kind.MOMENT
    if isinstance(found, Boolean):
        return Kind.TRUTH
    if isinstance(found, Enum):
        return Kind.CHOICE
    return Kind.TEXT if isinstance(found, String) else Kind.NUMBER


def of_literal(constant: tree.Constant, at: int) -> Value:
    """The value of a constant, as a bound parameter of its own type."""
    value = Value(Kind.NOTHING, null(), at, constant=True, literal=constant)
    match constant:
        case bool():
            return replace(value, kind=Kind.TRUTH, sql=literal(constant, Boolean()))
        case int():
            return replace(
                value, kind=Kind.NUMBER, sql=literal(constant, BigInteger()), integral=True
            )
        case float():
            return replace(value, kind=Kind.NUMBER, sql=literal(constant, Double()))
        case str():
            return replace(value, kind=Kind.TEXT, sql=literal(constant, String()))
        case datetime():
            return replace(value, kind=Kind.MOMENT, sql=literal(constant, UtcDateTime()))
        case enum.Enum():
            return replace(value, kind=Kind.CHOICE, sql=literal(constant.name, String()))
    return value


def alike(left: Value, right: Value) -> tuple[Value, Value]:
    """Two values that can be compared; a constant is read as what the other one is.

    Raises:
        QueryError: They cannot be compared.
    """
    if left.constant and not right.constant:
        return _read_as(left, right), right
    if right.constant and not left.constant:
        return left, _read_as(right, left)
    if left.kind is not right.kind:
        raise _unlike(left, right)
    return left, right


def _unlike(value: Value, like: Value) -> QueryError:
    what = repr(value.literal) if value.constant and value.literal is not None else value.kind.value
    return QueryError(f"{what} cannot be compared with {like.kind.value}", value.at)


def _read_as(value: Value, like: Value) -> Value:
    constant: tree.Constant = value.literal
    match like.kind:
        case Kind.CHOICE:
            return _choice(value, like)
        case Kind.MOMENT if isinstance(constant, str):
            constant = _moment(value, like)
        case Kind.NUMBER if isinstance(constant, str):
            constant = _number(value, like)
        case Kind.TEXT if value.kind is Kind.NUMBER:
            constant = str(constant)
        case Kind.TRUTH if value.kind in (Kind.NUMBER, Kind.TEXT):
            constant = _truth(value, like)
    found = of_literal(constant, value.at)
    if found.kind not in (like.kind, Kind.NOTHING):
        raise _unlike(value, like)
    return found


def _choice(value: Value, like: Value) -> Value:
    constant, choices = value.literal, like.choices
    assert choices is not None
    name = constant.name if isinstance(constant, enum.Enum) else constant
    if value.kind is Kind.NOTHING:
        return value
    members = choices.enum_class.__members__ if choices.enum_class else {}
    if not isinstance(name, str) or name.upper() not in members:
        raise _unlike(value, like)
    sql = literal(members[name.upper()], choices)
    return replace(value, kind=Kind.CHOICE, sql=sql, choices=choices)


def _moment(value: Value, like: Value) -> datetime:
    try:
        found = datetime.fromisoformat(str(value.literal).strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _unlike(value, like) from None


def _number(value: Value, like: Value) -> int | float:
    text = str(value.literal).strip()
    try:
        number = float(text)
        if number.is_integer() and abs(number) < 2**53:
            return int(number)
        if text.lstrip("+-").isdecimal() and abs(int(text)) < 2**63:
            return int(text)
    except (ValueError, OverflowError):
        raise _unlike(value, like) from None
    if not math.isfinite(number):
        raise _unlike(value, like)
    return number


def _truth(value: Value, like: Value) -> bool:
    word = str(value.literal).strip().lower()
    if word not in ("0", "1", "true", "false"):
        raise _unlike(value, like)
    return word in ("1", "true")
