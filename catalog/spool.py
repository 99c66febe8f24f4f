"""A text that is made now and sent later: in memory while it is short, then in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Filed:
    """The pieces of a file, which is closed at its end, or by whoever reads no further."""

    file: IO[bytes]

    def __iter__(self) -> Iterator[bytes]:
        with self.file:
            while piece := self.file.read(_PIECE):
                yield piece

    def close(self) -> None:
        """Let the file go."""
        self.file.close()


def _filed(begun: list[str], rest: Iterator[str]) -> _Filed:
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
        _write(file, "", rewind=True)
    except BaseException:
        # What could not be written is not tried again.
        with suppress(OSError):
            file.close()
        raise
    return _Filed(file)


def _write(file: IO[bytes], text: str, *, rewind: bool = False) -> None:
    try:
        file.write(text.encode())
        if rewind:
            file.seek(0)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> UnavailableError:
    return UnavailableError(f"the server has no room for a long answer now: {error.strerror}")
