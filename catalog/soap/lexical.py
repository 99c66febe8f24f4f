"""Reading values as XML Schema writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from catalog.description import FieldKind
from catalog.soap.envelope import Element, is_nil, text_of

_DAY = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)(?P<zone>Z|[+-]\d\d:\d\d|)", re.ASCII)
_MOMENT = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)


def value(kind: FieldKind, child: Element, zone: tzinfo) -> object:
    """The value of an attribute as JSON would have it.

    Text that cannot be one is left for the converter. ``zone`` is that of dates without one.
    """
    if is_nil(child):
        return False if kind is FieldKind.BOOLEAN else None
    text = text_of(child)
    if kind is FieldKind.STRING:
        return text
    text = text.strip()
    if not text:
        return False if kind is FieldKind.BOOLEAN else None
    if kind is FieldKind.DATE:
        return _date(text, zone)
    return _LEXICAL.get(kind, _same)(text)


def _same(text: str) -> object:
    return text


def _boolean(text: str) -> object:
    return {"true": True, "1": True, "false": False, "0": False}.get(text, text)


def integer(text: str) -> object:
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


def _date(text: str, zone: tzinfo) -> object:
    """A moment as JSON would have it: a day is its beginning, and microseconds are the end."""
    if day := _DAY.fullmatch(text):
        text = f"{day['day']}T00:00:00{day['zone']}"
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    moment = f"{found['seconds']}{(found['fraction'] or '')[:7]}"
    if found["zone"]:
        return moment + found["zone"]
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=zone).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text


_LEXICAL: dict[FieldKind, Callable[[str], object]] = {
    FieldKind.BOOLEAN: _boolean,
    FieldKind.INTEGER: integer,
    FieldKind.LONG: integer,
    FieldKind.DOUBLE: _double,
}
