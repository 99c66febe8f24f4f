"""A file that comes in pieces, as lines with their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ijp.errors import BadRequestError, PortalError

LONGEST = 2**20
"""The most bytes of a line; the longest row that an export writes is far below."""


def numbered(pieces: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """The lines of a file, from 1, without their ends.

    Raises:
        BadRequestError: A line is too long, or not UTF-8.
    """
    for number, line in enumerate(_split(pieces), start=1):
        yield number, _text(line, number)


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    length = number = 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        begun.append(first)
        length += len(first)
        for other in others:
            yield b"".join(begun)
            begun, length, number = [other], len(other), number + 1
        if length > LONGEST:
            with at_line(number + 1):
                raise BadRequestError(f"this is longer than {LONGEST} bytes")
    if length:
        yield b"".join(begun)


def _text(line: bytes, number: int) -> str:
    try:
        text = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        with at_line(number):
            raise BadRequestError(f"byte {error.start} is not UTF-8") from None
    return text.removeprefix("\ufeff") if number == 1 else text


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """Let errors say which line they are about, as ICAT does."""
    try:
        yield
    except PortalError as error:
        error.message = f"{error.message} at line {number}"
        error.args = (error.message,)
        error.offset = number
        raise
