"""Text from elsewhere on a terminal: a name may hold anything, and shall only be shown."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

_HARMFUL = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{_HARMFUL}]")
_CONTROL_IN_LINES = re.compile(f"(?![\n\t])[{_HARMFUL}]")


def one_line(text: object) -> str:
    """Text as one line whose control characters are shown and not obeyed."""
    return _CONTROL.sub(_shown, str(text))


def printable(text: str) -> str:
    """As ``one_line``, but line ends and tabs stay."""
    return _CONTROL_IN_LINES.sub(_shown, text)


def json_text(value: Any) -> str:
    """JSON to read, with letters as they are and control characters escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _CONTROL_IN_LINES.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def local_time(text: str | None) -> str:
    """A moment of the wire as the clock on the wall shows it; empty if there is none."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(value: Any) -> str:
    """A number in its shortest form; anything else as text."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def value_of(parameter: dict[str, Any]) -> str:
    """A parameter's value with its standard deviation and units."""
    text = number(parameter.get("value"))
    if parameter.get("error"):
        text += f" ± {number(parameter['error'])}"
    return f"{text} {parameter['units']}" if parameter.get("units") else text
