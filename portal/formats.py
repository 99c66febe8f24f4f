"""How numbers, sizes and moments read on a page."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from flask import Flask

from portal.moments import now

EXACT = 2**53
_PREFIXES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number(value: float | int | None) -> str:
    """A numeric parameter: whole ones without decimals, others in engineering notation.

    Plain decimals are kept between 0.001 and 1,000,000, where they are easier to read.
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) <= EXACT:
        return f"{int(value)}"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.6g}"
    power = 3 * math.floor(math.log10(abs(value)) / 3)
    return f"{value / 10.0**power:.6g}e{power}"


def size(count: int | None) -> str:
    """A number of bytes; nothing when it is not known."""
    if count is None:
        return ""
    amount = float(count)
    for unit in _PREFIXES:
        if amount < 1024 or unit == _PREFIXES[-1]:
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.3g} {unit}"


def duration(length: timedelta | float | None) -> str:
    """A length of time by its two largest units, such as ``2 min 5 s``; seconds if a number."""
    if length is None:
        return ""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if 0 < seconds < 1:
        return f"{seconds:.1g} s"
    rest, parts = max(0, round(seconds)), []
    for span, unit in _STEPS:
        count, rest = divmod(rest, span)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def age(moment: datetime | None) -> str:
    """How long ago, in one unit, such as ``5 min ago``."""
    if moment is None:
        return ""
    seconds = (now() - moment).total_seconds()
    if seconds < 5:
        return "just now"
    span, unit = next((step for step in _STEPS if seconds >= step[0]), _STEPS[-1])
    return f"{int(seconds // span)} {unit} ago"


def moment(when: datetime | str | None) -> str:
    """A date and time to the second, in UTC; what a script may replace by the reader's own."""
    if when is None or when == "":
        return ""
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    utc = when.astimezone(UTC) if when.tzinfo else when
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC"


def count(number_of: int, thing: str) -> str:
    """A number with its thing, such as ``1 job`` and ``2,000 jobs``."""
    return f"{number_of:,} {thing}{'' if number_of == 1 else 's'}"


def install(app: Flask) -> None:
    """Make all of these filters of the templates."""
    for filter in (number, size, duration, age, moment, count):
        app.add_template_filter(filter)
    app.jinja_env.filters["many"] = app.jinja_env.filters.pop("count")
