"""Zips: read by others, the same each time, of the length that was said."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore import zipping
from datastore.zipping import BLOCK_BYTES, Entry
from ijp.errors import InternalError

MOMENT = datetime(2026, 11, 20, 19, 7, 2, tzinfo=UTC)


def entry(name: str, content: bytes, modified: datetime | None = MOMENT) -> Entry:
    return Entry(name, len(content), modified, lambda: io.BytesIO(content))


def packed(*entries: Entry, compress: bool = False) -> bytes:
    return b"".join(zipping.stream(entries, compress=compress))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("size", [0, 1, 52, 65535, 65536, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_content_comes_out_as_it_went_in(size, compress):
    content = bytes(range(256)) * (size // 256 + 1)
    data = packed(entry("ids/ü/a.bin", content[:size]), entry("b", b"x"), compress=compress)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["ids/ü/a.bin", "b"]
        assert archive.read("ids/ü/a.bin") == content[:size]
        assert archive.infolist()[0].date_time == (2026, 11, 20, 19, 7, 2)
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_DEFLATED}
        assert all(one.flag_bits & 0x8 for one in archive.infolist())


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_the_length_is_known_before(contents):
    entries = [entry(f"{number}-ü", content) for number, content in enumerate(contents)]
    assert zipping.length(entries) == len(packed(*entries))


def test_small_blocks_go_together():
    blocks = [bytes([number]) * (200 << 10) for number in range(8)]
    together = list(zipping.gathered(blocks))
    assert [len(one) >> 10 for one in together] == [600, 600, 400]
    assert b"".join(together) == b"".join(blocks)
    assert list(zipping.gathered([])) == []


def test_packed_sizes_are_those_clients_check():
    """ids-api §7: 52 bytes are 57 at level 0."""
    with zipfile.ZipFile(io.BytesIO(packed(entry("a", b"x" * 52)))) as archive:
        assert archive.infolist()[0].compress_size == 57


def test_an_empty_selection_is_an_empty_zip():
    with zipfile.ZipFile(io.BytesIO(packed())) as archive:
        assert archive.namelist() == []


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_files_give_the_same_bytes(compress):
    """Quirk Q3."""
    entries = [entry("a", b"abc" * 1000, None), entry("b", b"")]
    assert packed(*entries, compress=compress) == packed(*entries, compress=compress)


def test_times_that_a_zip_cannot_have_are_moved_to_the_nearest():
    early = entry("a", b"", datetime(1970, 1, 1, tzinfo=UTC))
    late = entry("b", b"", datetime(9999, 1, 1, tzinfo=UTC))
    with zipfile.ZipFile(io.BytesIO(packed(early, late, entry("c", b"", None)))) as archive:
        assert [one.date_time[0] for one in archive.infolist()] == [1980, 2107, 1980]


def test_a_content_that_is_shorter_than_said_breaks_the_zip_off():
    wrong = Entry("a", 10, None, lambda: io.BytesIO(b"123"))
    with pytest.raises(InternalError, match="not 10 bytes"):
        packed(wrong)


def test_a_content_that_is_longer_than_said_breaks_the_zip_off():
    wrong = Entry("a", 2, None, lambda: io.BytesIO(b"123"))
    with pytest.raises(InternalError, match="not 2 bytes"):
        packed(wrong)


@given(start=st.integers(0, 40), end=st.integers(0, 40) | st.none())
def test_part_of_what_comes_in_blocks(start, end):
    blocks = [b"0123", b"", b"456789abcdef", b"g", b"hijklmnop"]
    whole = b"".join(blocks)
    wanted = whole[start:] if end is None else whole[start : max(start, end)]
    if end is None or end > start:
        assert b"".join(zipping.skipped(iter(blocks), start, end)) == wanted


class _Zeros(io.RawIOBase):
    """Many zero bytes that take no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        given = min(size, self._left)
        self._left -= given
        return bytes(given)


@pytest.mark.slow
def test_more_than_4_gib(tmp_path):
    """64-bit sizes and offsets, as an independent program reads them."""
    size = (4 << 30) + 5
    entries = [
        Entry("large", size, None, lambda: _Zeros(size)),
        Entry("behind", 3, None, lambda: io.BytesIO(b"abc")),
    ]
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        for block in zipping.stream(entries, compress=True):
            file.write(block)
    with zipfile.ZipFile(path) as archive:
        assert [one.file_size for one in archive.infolist()] == [size, 3]
        assert archive.read("behind") == b"abc"
        with archive.open("large") as content:
            assert content.read(10) == bytes(10)
    if shutil.which("unzip"):
        listed = subprocess.run(["unzip", "-l", path], capture_output=True, text=True, check=True)
        assert str(size) in listed.stdout


def test_offsets_behind_4_gib_are_written_in_64_bits():
    size = (4 << 30) + 5
    entries = [
        Entry("large", size, None, lambda: _Zeros(size)),
        Entry("behind", 3, None, lambda: io.BytesIO(b"abc")),
    ]
    # 5 bytes a stored block, the headers, 64-bit extras, descriptors, directory and three ends.
    blocks = -(-size // 65535)
    headers = (30 + 5 + 20) + (24) + (30 + 6) + 16
    directory = (46 + 5 + 20) + (46 + 6 + 12)
    ends = 56 + 20 + 22
    assert zipping.length(entries) == size + 5 * blocks + (3 + 5) + headers + directory + ends


def test_more_than_65535_entries():
    entries = [entry(str(number), b"") for number in range(65536)]
    with zipfile.ZipFile(io.BytesIO(packed(*entries))) as archive:
        assert len(archive.namelist()) == 65536
