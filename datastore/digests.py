"""Checksums of a content, taken while it passes: CRC-32, which IDS tells, and SHA-256."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Checked:
    """What was found of a content.

    Attributes:
        sha256: As lower-case hexadecimal.
    """

    size: int
    crc32: int
    sha256: str


def is_crc32(told: str, crc32: int) -> bool:
    """Whether what was told in hexadecimal, with or without zeros before it, is this CRC-32."""
    return told.lower().lstrip("0") == f"{crc32:x}".lstrip("0")


class Digest:
    """Grows with each block."""

    def __init__(self) -> None:
        self.size = 0
        self._crc32 = 0
        self._sha256 = hashlib.sha256()

    def add(self, block: bytes) -> None:
        """Take the next bytes."""
        self.size += len(block)
        self._crc32 = zlib.crc32(block, self._crc32)
        self._sha256.update(block)

    def checked(self) -> Checked:
        """What was found so far; more can be added after."""
        return Checked(self.size, self._crc32, self._sha256.hexdigest())


def blocks_of(file: BinaryIO) -> Iterator[bytes]:
    """What is left of an open file."""
    while block := file.read(BLOCK_BYTES):
        yield block


def read(file: BinaryIO) -> Digest:
    """The digest of what is left of an open file."""
    digest = Digest()
    for block in blocks_of(file):
        digest.add(block)
    return digest


def passed_on(pieces: Iterable[bytes], *takers: Callable[[bytes], None]) -> None:
    """Give every piece to each taker, in order; takers work side by side while others arrive.

    What is less than a block is taken in this thread. When ``pieces`` raises, what came before
    was taken; when a taker does, others may have taken more than it has.
    """
    under_way: list[Future[None]] = []
    waiting: list[bytes] = []
    size = 0
    with ThreadPoolExecutor(len(takers), "pieces") as workers:
        try:
            for piece in pieces:
                waiting.append(piece)
                size += len(piece)
                if size >= BLOCK_BYTES:
                    _await(under_way)
                    under_way = [workers.submit(_take, one, waiting) for one in takers]
                    waiting, size = [], 0
        finally:
            _await(under_way)
            for one in takers:
                _take(one, waiting)


def _await(under_way: list[Future[None]]) -> None:
    for one in under_way:
        one.result()


def _take(taker: Callable[[bytes], None], pieces: list[bytes]) -> None:
    for piece in pieces:
        taker(piece)
