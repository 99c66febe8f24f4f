"""Texts that are made at once and read later."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from flask import Response

from catalog import spool
from ijp.errors import QueryError, UnavailableError


@pytest.mark.parametrize("pieces", [0, 1, 3, 5000])
def test_text_comes_out_as_it_went_in(pieces: int) -> None:
    texts = [f"ä{number}" * 100 for number in range(pieces)]
    assert b"".join(spool.spooled(texts)).decode() == "".join(texts)


def test_all_of_it_is_made_before_any_of_it_is_read() -> None:
    made = []

    def texts() -> Iterator[str]:
        for number in range(40):
            made.append(number)
            yield "x" * 2**16

    found = spool.spooled(texts())
    assert made == list(range(40))
    assert sum(len(piece) for piece in found) == 40 * 2**16


def test_a_failure_at_the_end_is_one_before_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = len(os.listdir("/proc/self/fd"))

    def texts() -> Iterator[str]:
        yield "x" * (spool.MOST_IN_MEMORY + 1)
        raise QueryError("too late", 3)

    with pytest.raises(QueryError, match="too late"):
        spool.spooled(texts())
    assert len(os.listdir("/proc/self/fd")) == files
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_nobody_reads_leaves_no_file_open() -> None:
    files = len(os.listdir("/proc/self/fd"))
    response = Response(spool.spooled(["x" * 2**21]))
    response.close()
    assert len(os.listdir("/proc/self/fd")) == files


def test_no_room_for_a_long_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UnavailableError, match="no room for a long answer now: No such file"):
        spool.spooled(["x" * 2**21])
    assert b"".join(spool.spooled(["short"])) == b"short"


@pytest.mark.parametrize("size", [100, 2**21])
def test_a_disk_that_gets_full_is_told(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    def full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UnavailableError, match="no room for a long answer now: No space left"):
        spool.spooled(["x" * 2**20, "y" * size])
