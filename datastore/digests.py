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


def passed_on(blocks: Iterable[bytes], take: Callable[[bytes], None]) -> None:
    """Give every block to ``take``, in order, in a thread that works while the next one arrives.

    A single block is taken in this thread. When ``blocks`` raises, what came before was taken.
    """
    waiting: bytes | None = None
    under_way: Future[None] | None = None
    with ThreadPoolExecutor(1, "blocks") as worker:
        try:
            for block in blocks:
                if waiting is not None:
                    if under_way:
                        under_way.result()
                    under_way = worker.submit(take, waiting)
                waiting = block
        finally:
            if under_way:
                under_way.result()
            if waiting is not None:
                take(waiting)
