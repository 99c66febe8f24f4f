"""Pieces of uploads: how many bytes they may have, and their checksums."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from datastore.digests import Digest
from ijp.errors import BadRequestError, ConflictError, UnavailableError

_DIGESTS_KEPT = 64


class OffsetError(ConflictError):
    """A piece does not begin where the last one ended."""


class LockedError(UnavailableError):
    """Another request is writing this upload."""


class ChecksumError(BadRequestError):
    """A piece has not the checksum that was announced; nothing of it is kept."""


@dataclass(frozen=True)
class Expected:
    """The checksum that a piece must have; ``digest`` are its bytes."""

    algorithm: str
    digest: bytes


class _Crc32:
    def __init__(self) -> None:
        self._digest = Digest()

    def update(self, block: bytes) -> None:
        self._digest.add(block)

    def digest(self) -> bytes:
        return self._digest.checked().crc32.to_bytes(4, "big")


class _Hash(Protocol):
    def update(self, block: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


ALGORITHMS: dict[str, Callable[[], _Hash]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "crc32": _Crc32,
}
"""By their names in the protocol; the bytes of a CRC-32 are the highest first."""


def bounded(blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The blocks, which must not have more bytes than that."""
    for block in blocks:
        if len(block) > most:
            raise BadRequestError("the piece goes beyond the length that was announced")
        most -= len(block)
        yield block


class RecentDigests:
    """Digests of what this process has written lately; others read the file once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Digest] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, id: str, digest: Digest) -> None:
        with self._lock:
            self._kept[id] = digest
            while len(self._kept) > _DIGESTS_KEPT:
                self._kept.popitem(last=False)

    def pop(self, id: str, size: int) -> Digest | None:
        """That of the first ``size`` bytes, if it is here."""
        with self._lock:
            found = self._kept.pop(id, None)
        return found if found and found.size == size else None
