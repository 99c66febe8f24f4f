"""Builds ICAT query text: the one place where a value becomes text of a query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from string import Formatter
from typing import Any


def literal(value: object) -> str:
    """A value as the query language writes it.

    Strings are quoted, moments become UTC timestamps, several values a parenthesised list.

    Raises:
        ValueError: The value has no literal: an empty list, NaN, infinity, another type.
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} cannot stand in a query")
        return repr(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).strftime("{ts %Y-%m-%d %H:%M:%S}")
    if isinstance(value, Iterable):
        members = [literal(member) for member in value]
        if not members:
            raise ValueError("an empty list cannot stand in a query")
        return "(" + ", ".join(members) + ")"
    raise ValueError(f"{type(value).__name__} has no literal in a query")


class _Literals(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return literal(value)


def query(template: str, /, *values: object, **named: object) -> str:
    """Fill ``{}`` and ``{name}`` of a query template with literals.

    A brace that belongs to the query is written twice: ``{{ts 2026-01-01 00:00:00}}``.
    """
    return _Literals().vformat(template, values, named)


def like_escaped(text: str, escape: str = "!") -> str:
    """Text in which nothing is a wildcard for ``LIKE … ESCAPE '!'``."""
    for special in (escape, "%", "_"):
        text = text.replace(special, escape + special)
    return text
