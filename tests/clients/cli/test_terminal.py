"""What people see on a terminal, where scripts get plain lines (req. 26)."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ijp.cli.text import one_line, printable

IJP = Path(sys.executable).with_name("ijp")


@pytest.fixture
def seen(ana):
    """Runs the command on a terminal of 100 columns; gives what it shows."""

    def seen(*words: object) -> str:
        reader, terminal = pty.openpty()
        process = subprocess.Popen(
            [IJP, *map(str, words)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=ana.for_processes() | {"COLUMNS": "100"},
            start_new_session=True,
        )
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(reader, 65536):
                shown += block
        except OSError:
            pass  # the other end is closed
        assert process.wait(30) == 0, shown
        os.close(reader)
        return shown.decode()

    return seen


def test_table_has_titles_and_columns(seen, portal, fresh):
    name = fresh("terminal")
    made = portal.dataset(name)
    title, _, row = seen("search", name).splitlines()
    assert "\x1b[1mdataset" in title
    assert row.split() == [str(made), *name.split(), "raw", "A", "numChannels=3"]


def test_hostile_name_in_a_table_does_no_harm(seen, portal, fresh):
    name = fresh("tty") + " [red]\x1b]0;title\x07\n"
    portal.dataset(name)
    row = seen("search", "tty").splitlines()[-1]
    assert "[red]\\x1b]0;title\\x07\\x0a" in row


def test_output_of_a_job_does_no_harm(seen, ana):
    """Output with terminal escapes, cut between two reads in the middle of a character."""
    text = "\x1b[2J\u00e9\u4e16\ttab\r\nline\x1b]0;t\x07\x9b5n\n"
    number = ana.says("submit", "tool", "write", text.encode().hex()).strip()
    ana.run("status", number, "--watch")
    assert seen("output", number).replace("\r\n", "\n") == (
        "\\x1b[2J\u00e9\u4e16\ttab\nline\\x1b]0;t\\x07\\x9b5n\n"
    )


def test_watching_shows_a_bar_and_the_end(seen):
    shown = seen("submit", "tool", "--watch", "--", "exit", "0")
    assert "━" in shown
    assert "Completed: the program ended well" in shown


def test_transfer_shows_a_bar(seen, portal, fresh, tmp_path):
    made = portal.dataset(fresh("bar"), files={"data.bin": bytes(3_000_000)})
    shown = seen("download", made, "-o", tmp_path / "got.zip")
    assert "3.0/3.0 MB" in shown
    assert shown.splitlines()[-1].endswith(f"{tmp_path}/got.zip")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9 \u4e16", "plain \u00e9 \u4e16"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\x85\u2028", "\\x85\\u2028"),
    ],
)
def test_control_characters_are_shown(text, shown):
    assert one_line(text) == shown


def test_lines_may_stay_lines():
    assert printable("a\n\tb\x07\r") == "a\n\tb\\x07\\x0d"
