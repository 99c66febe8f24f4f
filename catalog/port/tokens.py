"""The values of a row: from text to values, and from values to text."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ijp.catalog import format_date
from ijp.errors import BadRequestError


@dataclass(frozen=True)
class Word:
    """A value that is a bare word: one of an enumeration, or ``NA``."""

    text: str


@dataclass(frozen=True)
class Moment:
    """A date as ISO 8601 has it."""

    text: str


Token = str | int | float | bool | Word | Moment | None

_LONGEST_NUMBER = 400
_MOST_SHOWN = 40

_TOKEN = re.compile(
    r"""[ \t]*(?:
      (?P<string>"[^"\\]*(?:\\.[^"\\]*)*")
    | (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>\.\d+)?(?:Z|[+-]\d\d:\d\d)?)
    | (?P<real>[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?)
    | (?P<integer>[+-]?\d+)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    )[ \t]*(?P<end>,|$)""",
    re.ASCII | re.VERBOSE | re.DOTALL,
)

_ESCAPED = {
    "t": "\t",
    "n": "\n",
    "r": "\r",
    "f": "\f",
    "b": "\b",
    '"': '"',
    "'": "'",
    "\\": "\\",
}
_ESCAPES = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = {ord(char): f"\\{letter}" for letter, char in _ESCAPED.items() if char != "'"}

_WORDS: dict[str, bool | None] = {"null": None, "true": True, "false": False}


def read(line: str) -> list[Token]:
    """The values of a row.

    Raises:
        BadRequestError: It is no row; names the column, from 0, and what was found.
    """
    found: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(line, at)
        if match is None:
            raise BadRequestError(_complaint(line, at, len(found)))
        found.append(_value(match, len(found)))
        if match["end"] != ",":
            return found
        at = match.end()


def _complaint(line: str, at: int, column: int) -> str:
    rest = line[at:].lstrip(" \t")
    if not rest or rest[0] == ",":
        return f"no value in column {column}"
    shown = rest if len(rest) <= _MOST_SHOWN else rest[:_MOST_SHOWN] + "…"
    if rest[0] == '"' and not re.match(r'"[^"\\]*(?:\\.[^"\\]*)*"', rest, re.DOTALL):
        return f"unterminated string {shown} in column {column}"
    return f"{shown} in column {column} is no value followed by a comma or the end of the line"


def _value(match: re.Match[str], column: int) -> Token:
    text = match[0].rstrip(",").strip(" \t")
    if match["string"] is not None:
        return _unescaped(match["string"][1:-1], column)
    if fraction := match["fraction"]:
        return Moment(match["moment"].replace(fraction, fraction[:7]))
    if match["moment"] is not None:
        return Moment(text)
    if match["word"] is not None:
        return _WORDS.get(text.lower(), Word(text))
    if len(text) > _LONGEST_NUMBER:
        raise BadRequestError(f"the number in column {column} has {len(text)} digits")
    return float(text) if match["real"] is not None else int(text)


def _unescaped(text: str, column: int) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPED:
            raise BadRequestError(f"unknown escape {match[0]} in column {column}")
        return _ESCAPED[match[1]]

    return _ESCAPES.sub(character, text) if "\\" in text else text


def row(values: Iterable[object]) -> str:
    """The line of some values; ``Word`` stands for itself."""
    return ",".join([text(one) for one in values])


def text(value: object) -> str:
    """A value as it stands in a row."""
    write = _WRITE.get(type(value))
    if write is not None:
        return write(value)
    return value.name if isinstance(value, enum.Enum) else str(value)


def _string(value: str) -> str:
    return f'"{value.translate(_TO_ESCAPE) if _HAS_ESCAPED(value) else value}"'


def _number(value: float) -> str:
    # as in JSON, where there is no NaN
    return repr(value) if math.isfinite(value) else "NULL"


@lru_cache(maxsize=1024)
def _date(moment: datetime) -> str:
    """Milliseconds, as everywhere on the wire; more only where they would be lost."""
    if moment.microsecond % 1000 == 0:
        return format_date(moment)
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


_HAS_ESCAPED = re.compile("[" + re.escape("".join(map(chr, _TO_ESCAPE))) + "]").search
_WRITE: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    str: _string,
    bool: lambda value: "true" if value else "false",
    int: repr,
    float: _number,
    datetime: _date,
    Word: lambda value: value.text,
}
"""How values are written, by exact type."""
