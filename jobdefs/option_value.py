"""Values that were filled in for options: read, and checked one by one."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

from jobdefs import words
from jobdefs.job_type import JobOption, OptionType

OptionValue: TypeAlias = bool | int | float | str

_TICKED = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


class ValueFaultError(Exception):
    """What is wrong with one value, for whoever filled it in."""


def read(option: JobOption, given: object) -> OptionValue | None:
    """The value of an option, from its own type or from the text of a form field.

    Returns:
        None when nothing was given: None itself, the empty text.

    Raises:
        ValueFaultError: It is of the wrong type, no member, out of range, or no program could
            receive it.
    """
    value = _READERS[option.type](option, given)
    if option.type.is_number and isinstance(value, (int, float)):
        _check_range(option, value)
    return value


def is_default(option: JobOption, value: OptionValue) -> bool:
    """Say whether a value is what the program does by itself; numbers count by value."""
    if option.default_value is None or option.type is OptionType.BOOLEAN:
        return False
    if not option.type.is_number:
        return value == option.default_value
    default = option.default_value.strip()
    return bool(_REAL.fullmatch(default)) and float(default) == value


def _ticked(option: JobOption, given: object) -> bool | None:
    if given is None or given == "":
        return None
    if isinstance(given, bool):
        return given
    known = _TICKED.get(given.lower()) if isinstance(given, str) else None
    if known is None:
        raise ValueFaultError(f"{quoted(given)} is neither true nor false")
    return known


def _text(option: JobOption, given: object) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise ValueFaultError(f"{quoted(given)} is not a text")
    if fault := words.fault(given):
        raise ValueFaultError(fault)
    if words.is_reserved(given):
        raise ValueFaultError(f"{quoted(given)} is reserved for the portal")
    return given


def _member(option: JobOption, given: object) -> str | None:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        given = words.shortest(given)
    if given is None or given == "":
        return None
    if given not in option.values:
        members = ", ".join(value for value in option.values if value)
        raise ValueFaultError(f"{quoted(given)} is not one of {members}")
    return str(given)


def _whole(option: JobOption, given: object) -> int | None:
    if isinstance(given, str):
        given = given.strip()
        if _INTEGER.fullmatch(given):
            given = int(given)
    if given is None or given == "":
        return None
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool):
        raise ValueFaultError(f"{quoted(given)} is not a whole number")
    if not -(2**63) <= given < 2**63:
        raise ValueFaultError(f"{quoted(given)} is too large")
    return given


def _real(option: JobOption, given: object) -> int | float | None:
    if isinstance(given, str):
        given = given.strip()
        if _REAL.fullmatch(given):
            given = float(given)
    if given is None or given == "":
        return None
    if not isinstance(given, (int, float)) or isinstance(given, bool):
        raise ValueFaultError(f"{quoted(given)} is not a number")
    try:
        finite = math.isfinite(given)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueFaultError(f"{quoted(given)} is not a number that a program can be given")
    return given


_READERS = {
    OptionType.BOOLEAN: _ticked,
    OptionType.ENUMERATION: _member,
    OptionType.STRING: _text,
    OptionType.INTEGER: _whole,
    OptionType.FLOAT: _real,
}


def quoted(given: object) -> str:
    """What was given, short enough for a message."""
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _check_range(option: JobOption, value: int | float) -> None:
    low, high = option.min_value, option.max_value
    if low is not None and value < low:
        shown = words.shortest(value), words.shortest(low)
        raise ValueFaultError(f"{shown[0]} is below the smallest value, {shown[1]}")
    if high is not None and value > high:
        shown = words.shortest(value), words.shortest(high)
        raise ValueFaultError(f"{shown[0]} is above the largest value, {shown[1]}")
