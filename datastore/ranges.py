"""Which part of a content is asked for: single byte ranges of RFC 9110."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ijp.errors import BadRequestError

_UNIT = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(.*)", re.DOTALL)
_SPEC = re.compile(r"\d{1,19}-\d{0,19}|-\d{1,19}", re.ASCII)


class UnsatisfiableRangeError(BadRequestError):
    """The part asked for lies behind the end."""

    def __init__(self, header: str, size: int) -> None:
        super().__init__(f"range {header} of {size} bytes cannot be satisfied")
        self.size = size


@dataclass(frozen=True)
class Part:
    """From ``start`` to before ``end``; ``end`` is None where the size is not known."""

    start: int
    end: int | None


def wanted(header: str | None, size: int | None) -> Part | None:
    """The part that a Range header asks for; None for everything.

    Several ranges, and units other than bytes, are answered with everything.

    Args:
        size: Bytes of the whole; None where that is not known, as for compressed zips.

    Raises:
        BadRequestError: The header is not one.
        UnsatisfiableRangeError: No byte of the whole is asked for.
    """
    if header is None:
        return None
    found = _UNIT.fullmatch(header.strip())
    if not found:
        raise BadRequestError(f"Range header {header[:80]!r} has not the form bytes=first-last")
    if found[1].lower() != "bytes":
        return None
    specs = [spec.strip() for spec in found[2].split(",")]
    parts = [_part(spec, header, size) for spec in specs]
    if len(parts) > 1 or parts[0] is None:
        return None
    if size is not None and parts[0].start >= size:
        raise UnsatisfiableRangeError(header, size)
    return parts[0]


def _part(spec: str, header: str, size: int | None) -> Part | None:
    if not _SPEC.fullmatch(spec):
        raise BadRequestError(f"Range header {header[:80]!r} has not the form bytes=first-last")
    first, _, last = spec.partition("-")
    if first and last and int(last) < int(first):
        raise BadRequestError(f"Range header {header[:80]!r} ends before it begins")
    if size is None:
        return Part(int(first), None) if first and not last else None
    if not first:
        return Part(max(0, size - int(last)) if int(last) else size, size)
    return Part(int(first), min(size, int(last) + 1) if last else size)
