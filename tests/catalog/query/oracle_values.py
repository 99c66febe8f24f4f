"""Values of the query language in plain Python: comparing, computing, functions, aggregates.

A missing value is None, and a condition that is neither true nor false is None, too.
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from catalog.query import tree


def is_less(one: Any, other: Any) -> bool:
    """NULL is less than anything."""
    if one is None or other is None:
        return one is None
    return bool(sortable(one) < sortable(other))


def sortable(value: Any) -> Any:
    return value.name if isinstance(value, Enum) else value


def if_there(function: Callable[..., Any], *values: Any) -> Any:
    return None if None in values else function(*values)


def all_of(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return False if False in found else None if None in found else True


def any_of(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return True if True in found else None if None in found else False


def not_(value: bool | None) -> bool | None:
    return None if value is None else not value


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(
    sign: str, left_node: tree.Expression, left: Any, right_node: tree.Expression, right: Any
) -> bool | None:
    nothing = tree.Literal(None)
    if nothing in (left_node, right_node):
        other = left if right_node == nothing else right
        return (other is None) == (sign == "=")
    if left is None or right is None:
        return None
    if isinstance(left_node, tree.Literal) and not isinstance(right_node, tree.Literal):
        left = _read_as(left, right)
    elif isinstance(right_node, tree.Literal) and not isinstance(left_node, tree.Literal):
        right = _read_as(right, left)
    return _COMPARE[sign](sortable(left), sortable(right))


def _read_as(constant: Any, like: Any) -> Any:
    """A constant as what it is compared with."""
    match like, constant:
        case bool(), str():
            return constant.lower() in ("1", "true")
        case bool(), int():
            return bool(constant)
        case int() | float(), str():
            return float(constant)
        case str(), int() | float():
            return str(constant)
        case datetime(), str():
            moment = datetime.fromisoformat(constant)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        case Enum(), str():
            return constant.upper()
    return constant


def like(text: str, pattern: str, escape: str | None) -> bool:
    expression, characters = "", iter(pattern)
    for character in characters:
        if character == escape:
            expression += re.escape(next(characters))
        else:
            expression += {"%": ".*", "_": "."}.get(character, re.escape(character))
    return re.fullmatch(expression, text, re.DOTALL) is not None


COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right if right else None,
}


def _substring(text: str, start: float, length: float | None = None) -> str:
    """From a character, the first being 1; a start before that is 1."""
    begin = max(math.trunc(start), 1) - 1
    return text[begin:] if length is None else text[begin : begin + max(math.trunc(length), 0)]


def _locate(part: str, text: str, start: float = 1) -> int:
    begin = max(math.trunc(start), 1) - 1
    place = text[begin:].find(part)
    return 0 if place < 0 else place + begin + 1


def _mod(left: float, right: float) -> int | None:
    """What remains of a division of whole numbers, with the sign of the first."""
    dividend, divisor = math.trunc(left), math.trunc(right)
    return int(math.fmod(dividend, divisor)) if divisor else None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "LOWER": str.lower,
    "UPPER": str.upper,
    "LENGTH": len,
    "CONCAT": lambda *parts: "".join(parts),
    "SUBSTRING": _substring,
    "TRIM": lambda text, what=" ": text.strip(what),
    "LTRIM": lambda text, what=" ": text.lstrip(what),
    "RTRIM": lambda text, what=" ": text.rstrip(what),
    "LOCATE": _locate,
    "ABS": abs,
    "SQRT": lambda number: math.sqrt(number) if number >= 0 else None,
    "MOD": _mod,
}


def aggregate(node: tree.Aggregate, values: list[Any]) -> Any:
    if node.distinct:
        values = [one for one, _ in itertools.groupby(sorted(values, key=sortable))]
    if node.function == "COUNT":
        return len(values)
    if not values:
        return None
    match node.function:
        case "MIN":
            return min(values, key=sortable)
        case "MAX":
            return max(values, key=sortable)
        case "SUM":
            return sum(values)
    return float(sum(values)) / len(values)
