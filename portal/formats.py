"""How numbers, sizes and moments read on a page."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask

from ijp.catalog import parse_date
from portal.moments import now

EXACT = 2**53
_PREFIXES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# CSI and OSC sequences, then any other escape of one character (ECMA-48)
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]?)")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
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


def age(moment: datetime | str | None) -> str:
    """How long ago, in one unit, such as ``5 min ago``; text is a moment of the wire."""
    if not moment:
        return ""
    if isinstance(moment, str):
        moment = parse_date(moment)
    seconds = (now() - moment).total_seconds()
    if seconds < 5:
        return "just now"
    span, unit = next((step for step in _STEPS if seconds >= step[0]), _STEPS[-1])
    return f"{int(seconds // span)} {unit} ago"


def moment(when: datetime | str | None) -> str:
    """A date and time to the second, in UTC; what a script may replace by the reader's own."""
    if not when:
        return ""
    if isinstance(when, str):
        when = parse_date(when)
    utc = when.astimezone(UTC) if when.tzinfo else when
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC"


def count(number_of: int, thing: str) -> str:
    """A number with its thing, such as ``1 job`` and ``2,000 jobs``."""
    return f"{number_of:,} {thing}{'' if number_of == 1 else 's'}"


def shell(command: Sequence[str]) -> list[str]:
    """The parts of a command as a shell would take them, for reading; nothing here runs it."""
    return [shlex.quote(part) for part in command]


def plain(text: str) -> str:
    """Output of a program without its terminal escapes and control characters.

    Only the last of what was written over itself (carriage return, backspace) is left.
    """
    bare = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return "\n".join(_overwritten(line) for line in bare.split("\n"))


def _overwritten(line: str) -> str:
    left: list[str] = []
    for character in line.rstrip("\r").rpartition("\r")[2]:
        if character != "\b":
            left.append(character)
        elif left:
            left.pop()
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", "".join(left))


def resource(name: str, value: Any) -> str:
    """A limit of a job in words; of one that is not known here, its name and value."""
    if name == "cores":
        return count(int(value), "core")
    if name == "memoryMiB":
        return f"{size(int(value) * 1024**2)} of memory"
    if name == "wallMinutes":
        return f"{duration(60 * value)} of time"
    if name == "queue":
        return f"queue {value}"
    if name == "cpuMinutes":
        return f"{duration(60 * value)} of computing"
    return f"{name} {value}"


def install(app: Flask) -> None:
    """Make all of these filters of the templates."""
    for one in (number, size, duration, age, moment, shell, plain):
        app.add_template_filter(one)
    app.add_template_filter(count, "many")
    app.add_template_global(resource, "resource_words")
