"""Content on its way to the data service."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from ijp.errors import UnavailableError

BLOCK_BYTES = 1 << 20
"""Size of the pieces in which data are read and sent; with a few of them in memory at a time."""

Content = Path | IO[bytes] | Iterable[bytes]
Progress = Callable[[int], None]
"""Told the number of bytes of each piece that has been moved."""


class Sent:
    """Content on its way, counted; it can be sent once only, so a repeated call cannot lose any."""

    def __init__(self, content: Content, progress: Progress | None) -> None:
        self._content = content
        self._progress = progress
        self._begun = False
        self.checksum = 0
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        if self._begun:
            raise UnavailableError("the connection broke during the upload")
        self._begun = True
        return self._blocks()

    def _blocks(self) -> Iterator[bytes]:
        for block in _pieces(self._content):
            if block:
                self.checksum = zlib.crc32(block, self.checksum)
                self.size += len(block)
                yield block
                if self._progress:
                    self._progress(len(block))


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield from _pieces(file)
    elif hasattr(content, "read"):
        while block := content.read(BLOCK_BYTES):
            yield block
    else:
        yield from content
