"""Values of attributes: from what JSON gives to what the database holds."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache, partial

from sqlalchemy import BigInteger, Column

from catalog.model.base import SYSTEM_ATTRIBUTES, UtcDateTime
from catalog.query.schema import Entity
from ijp.catalog import format_date
from ijp.errors import BadRequestError

Convert = Callable[[object], object]

LARGEST_ID = 2**63 - 1

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


class _Unfit(Exception):
    """A value will not do; says what it must be, as the end of a sentence about the field."""


@cache
def converters(entity: Entity) -> Mapping[str, tuple[str, Convert]]:
    """By the name on the wire of what a client may set: the column, and what converts a value."""
    return {
        name: (str(column.key), partial(_converted, _converter(column), name, entity.name))
        for name, column in entity.attributes.items()
        if column.key not in SYSTEM_ATTRIBUTES
    }


@cache
def stamp_converters(entity: Entity) -> Mapping[str, tuple[str, Convert]]:
    """The same for who made and last changed it, and when, which only an import may set."""
    return {
        name: (str(column.key), partial(_converted, _converter(column), name, entity.name))
        for name, column in entity.attributes.items()
        if column.key in SYSTEM_ATTRIBUTES and name != "id"
    }


def _converted(convert: Convert, name: str, entity_name: str, value: object) -> object:
    """The value to store.

    Raises:
        BadRequestError: Names the field and what was found.
    """
    try:
        return convert(value)
    except _Unfit as unfit:
        raise BadRequestError(
            f"Field {name} must be {unfit} in {entity_name}, not {_short(repr(value))}"
        ) from None


def _converter(column: Column[object]) -> Convert:
    if isinstance(column.type, UtcDateTime):
        return _moment
    kind = column.type.python_type
    if issubclass(kind, enum.Enum):
        return partial(_member, {one.name: one for one in kind})
    if kind is int:
        return partial(_integer, 63 if isinstance(column.type, BigInteger) else 31)
    return {bool: _boolean, float: _number, str: _string}[kind]


@lru_cache(maxsize=1024)
def moment_text(moment: datetime) -> str:
    """A moment as the wire has it: UTC, milliseconds."""
    if moment.tzinfo is UTC:
        # As all from the database are: much quicker.
        return moment.isoformat(timespec="milliseconds")[:23] + "Z"
    return format_date(moment)


def _string(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unfit("a string")
    # PostgreSQL's text has neither; SQLite would cut at the first and fail at the second
    if "\0" in value or not (value.isascii() or _is_unicode(value)):
        raise _Unfit("a string without NUL and half characters")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _boolean(value: object) -> object:
    if not isinstance(value, bool):
        raise _Unfit("true or false")
    return value


def _integer(bits: int, value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**bits) <= value < 2**bits:
        raise _Unfit(f"an integer of at most {bits + 1} bits")
    return value


def _number(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Unfit("a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Unfit("a finite number")
    return number


def _moment(value: object) -> object:
    if value is None:
        return None
    try:
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            moment = datetime.fromisoformat(value)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadRequestError(f"Badly formatted date {_short(str(value))}")


def _member(members: Mapping[str, enum.Enum], value: object) -> object:
    if value is None:
        return None
    found = members.get(value.upper()) if isinstance(value, str) else None
    if found is None:
        raise _Unfit(f"one of {', '.join(members)}")
    return found


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"
