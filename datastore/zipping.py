"""Zips that are written as they are sent, and are the same bytes each time.

Entries are deflated; without compression in stored blocks, so that the length is known before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO

from ijp.errors import InternalError, PortalError

Block = bytes | memoryview

_STORED_BLOCK = 65535
BLOCK_BYTES = 16 * _STORED_BLOCK
"""What is read at a time: whole stored blocks, about 1 MiB."""

_SENT_BYTES = 512 << 10
"""What is sent at a time, if a block is not larger by itself."""

_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)
_LARGE = 0xFF000000
"""From this size on an entry has 64-bit sizes: deflated it may need a little more than its size."""
_MAX_32 = 0xFFFFFFFF
_MAX_16 = 0xFFFF
_FLAGS = 0x0808  # sizes after the content, names in UTF-8
_DEFLATE = 8
_UNIX_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to be put into a zip.

    Attributes:
        name: Where it stands in the zip.
        modified: None for the earliest time a zip can have.
        open: Gives the content when it is its turn.
    """

    name: str
    size: int
    modified: datetime | None
    open: Callable[[], BinaryIO]

    @property
    def is_large(self) -> bool:
        """Its sizes are written in 64 bits."""
        return self.size >= _LARGE


@dataclass(frozen=True, slots=True)
class _Written:
    entry: Entry
    offset: int
    packed: int
    crc: int


def length(entries: Sequence[Entry]) -> int:
    """Bytes of the zip of these entries without compression."""
    at = directory = 0
    for entry in entries:
        large, name = entry.is_large, len(entry.name.encode())
        packed = _stored_length(entry.size)
        wide = (2 if large else 0) + (at >= _MAX_32)
        directory += 46 + name + (4 + 8 * wide if wide else 0)
        at += 30 + name + (20 if large else 0) + packed + (24 if large else 16)
    needs_64 = len(entries) >= _MAX_16 or directory >= _MAX_32 or at >= _MAX_32
    return at + directory + (56 + 20 if needs_64 else 0) + 22


def stream(entries: Iterable[Entry], *, compress: bool) -> Iterator[Block]:
    """The zip of these entries, in their order, in blocks of any size.

    Raises:
        InternalError: A content is not as long as was said; the zip is then broken off.
    """
    at, written = 0, []
    for entry in entries:
        header = _local_header(entry)
        yield header
        crc = packed = 0
        for content, blocks in _contents(entry, compress):
            crc = zlib.crc32(content, crc)
            packed += sum(map(len, blocks))
            yield from blocks
        written.append(_Written(entry, at, packed, crc))
        descriptor = _descriptor(written[-1])
        yield descriptor
        at += len(header) + packed + len(descriptor)
    yield from _directory(written, at)


def gathered(blocks: Iterable[Block]) -> Iterator[bytes]:
    """The same bytes in fewer blocks: each is sent by itself. An error comes after all of them."""
    waiting: list[Block] = []
    size = 0
    try:
        for block in blocks:
            waiting.append(block)
            size += len(block)
            if size >= _SENT_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    except PortalError:
        yield b"".join(waiting)
        raise
    if waiting:
        yield b"".join(waiting)


def skipped(blocks: Iterator[bytes], start: int, end: int | None = None) -> Iterator[bytes]:
    """The bytes from ``start`` to before ``end`` of what comes in blocks."""
    at = 0
    for block in blocks:
        begin, at = at, at + len(block)
        if at <= start:
            continue
        stop = len(block) if end is None else min(len(block), end - begin)
        yield block[max(0, start - begin) : stop]
        if end is not None and at >= end:
            return


def _contents(entry: Entry, compress: bool) -> Iterator[tuple[bytes, Sequence[Block]]]:
    """Each piece of the content with what stands for it in the zip."""
    deflate = zlib.compressobj(wbits=-15) if compress else None
    left = entry.size
    with entry.open() as file:
        # Not more than is there: memory for a whole block takes longer than reading a small file.
        while content := file.read(min(BLOCK_BYTES, left + 1)):
            left -= len(content)
            if left < 0:
                break
            yield content, [deflate.compress(content)] if deflate else _stored(content, not left)
    if left:
        raise InternalError(f"{entry.name} is not {entry.size} bytes long any more")
    if deflate:
        yield b"", [deflate.flush()]
    elif not entry.size:
        yield b"", _stored(b"", True)


def _stored(content: bytes, is_last: bool) -> list[Block]:
    """Content as stored blocks of a deflate stream (RFC 1951, 3.2.4)."""
    view = memoryview(content)
    blocks: list[Block] = []
    for at in range(0, max(1, len(content)), _STORED_BLOCK):
        part = view[at : at + _STORED_BLOCK]
        final = is_last and at + _STORED_BLOCK >= len(content)
        blocks += [struct.pack("<BHH", final, len(part), len(part) ^ _MAX_16), part]
    return blocks


def _stored_length(size: int) -> int:
    return size + 5 * max(1, -(-size // _STORED_BLOCK))


def _local_header(entry: Entry) -> bytes:
    name = entry.name.encode()
    size = _MAX_32 if entry.is_large else 0
    extra = struct.pack("<HHQQ", 1, 16, 0, 0) if entry.is_large else b""
    return (
        struct.pack(
            "<4sHHHHHLLLHH",
            b"PK\x03\x04",
            _version(entry.is_large),
            _FLAGS,
            _DEFLATE,
            *_dos_time(entry.modified),
            0,
            size,
            size,
            len(name),
            len(extra),
        )
        + name
        + extra
    )


def _descriptor(written: _Written) -> bytes:
    sizes = "QQ" if written.entry.is_large else "LL"
    crc, packed, size = written.crc, written.packed, written.entry.size
    return struct.pack(f"<4sL{sizes}", b"PK\x07\x08", crc, packed, size)


def _directory(written: Sequence[_Written], start: int) -> Iterator[bytes]:
    """The central directory, which begins at offset ``start``, and its end records."""
    size = 0
    for one in written:
        record = _directory_record(one)
        size += len(record)
        yield record
    count = len(written)
    if count >= _MAX_16 or size >= _MAX_32 or start >= _MAX_32:
        yield struct.pack(
            "<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start
        )
        yield struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
    few = min(count, _MAX_16)
    yield struct.pack(
        "<4sHHHHLLH", b"PK\x05\x06", 0, 0, few, few, min(size, _MAX_32), min(start, _MAX_32), 0
    )


def _directory_record(written: _Written) -> bytes:
    entry, name = written.entry, written.entry.name.encode()
    wide = [entry.size, written.packed] if entry.is_large else []
    sizes = [_MAX_32] * 2 if entry.is_large else [written.packed, entry.size]
    offset = written.offset
    if offset >= _MAX_32:
        wide, offset = [*wide, offset], _MAX_32
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    version = _version(bool(wide))
    return (
        struct.pack(
            "<4sHHHHHHLLLHHHHHLL",
            b"PK\x01\x02",
            3 << 8 | version,
            version,
            _FLAGS,
            _DEFLATE,
            *_dos_time(entry.modified),
            written.crc,
            *sizes,
            len(name),
            len(extra),
            0,
            0,
            0,
            _UNIX_FILE,
            offset,
        )
        + name
        + extra
    )


def _version(wide: bool) -> int:
    return 45 if wide else 20


@lru_cache(maxsize=1024)
def _dos_time(moment: datetime | None) -> tuple[int, int]:
    """Time and date as zips have them, in UTC and even seconds."""
    utc = min(max((moment or _EARLIEST).astimezone(UTC), _EARLIEST), _LATEST)
    date = (utc.year - 1980) << 9 | utc.month << 5 | utc.day
    return utc.hour << 11 | utc.minute << 5 | utc.second // 2, date
