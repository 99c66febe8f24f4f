"""Copying outputs: limits, faults, and never more than one chunk in memory."""

from __future__ import annotations

import os

import pytest

from batch.local.output import Output


@pytest.fixture
def make_output(tmp_path):
    def make(limit):
        return Output(str(tmp_path / "out"), limit)

    return make


def filled(output, *texts):
    for text in texts:
        os.write(output.program_end, text)
        output.copy()
    os.close(output.program_end)
    while output.copy():
        pass
    output.close()


@pytest.mark.parametrize(
    ("limit", "texts", "kept"),
    [
        (10, [b""], ""),
        (10, [b"ab", b"cd"], "abcd"),
        (4, [b"ab", b"cd"], "abcd"),
        (3, [b"ab", b"cd"], "abc\n… output truncated at 3 bytes\n"),
        (3, [b"ab\n", b"cd", b"ef"], "ab\n… output truncated at 3 bytes\n"),
    ],
)
def test_output_is_kept_up_to_its_limit(make_output, tmp_path, limit, texts, kept):
    filled(make_output(limit), *texts)
    assert (tmp_path / "out").read_text() == kept


def test_copying_does_not_wait_for_output_that_has_not_come(make_output):
    output = make_output(10)
    assert output.copy()
    output.copy_rest()
    os.close(output.program_end)
    assert not output.copy()
    output.close()


@pytest.mark.parametrize("existing", ["file", "link", "dangling", "folder", "fifo"])
def test_what_is_there_is_not_touched(make_output, tmp_path, existing):
    """Security 7."""
    place, target = tmp_path / "out", tmp_path / "target"
    target.write_text("precious")
    {
        "file": lambda: place.write_text("precious"),
        "link": lambda: place.symlink_to(target),
        "dangling": lambda: place.symlink_to(tmp_path / "new"),
        "folder": place.mkdir,
        "fifo": lambda: os.mkfifo(place),
    }[existing]()
    with pytest.raises(FileExistsError):
        make_output(10)
    assert target.read_text() == "precious"
    assert not (tmp_path / "new").exists()
