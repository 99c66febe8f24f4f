"""A text that is made now and sent later: in memory while it is short, then in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO

from ijp.errors import UnavailableError

MOST_IN_MEMORY = 2**20
"""Characters; what is longer is in a file without a name, which is gone when it was read."""

_PIECE = 2**16


def spooled(texts: Iterable[str]) -> Iterable[bytes]:
    """Make all of a text, and give it in pieces.

    Whatever fails while it is made is an error here. Nothing of what it is made from is needed
    afterwards, such as a connection to the database, however slowly it is read.

    Raises:
        UnavailableError: There is no room for the file.
    """
    waiting: list[str] = []
    size = 0
    source = iter(texts)
    for text in source:
        waiting.append(text)
        size += len(text)
        if size > MOST_IN_MEMORY:
            return _filed(waiting, source)
    return ["".join(waiting).encode()]


def _filed(begun: list[str], rest: Iterator[str]) -> Iterator[bytes]:
    # Not closed here: it is read by whoever sends it.
    try:
        file = tempfile.TemporaryFile(prefix="ijp-answer-")  # noqa: SIM115
    except OSError as error:
        raise _no_room(error) from error
    try:
        _write(file, "".join(begun))
        begun.clear()
        for text in rest:
            _write(file, text)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return _pieces(file)


def _write(file: IO[bytes], text: str) -> None:
    try:
        file.write(text.encode())
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> UnavailableError:
    return UnavailableError(f"the server has no room for a long answer now: {error.strerror}")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with closing(file):
        while piece := file.read(_PIECE):
            yield piece
