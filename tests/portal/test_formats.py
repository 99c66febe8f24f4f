from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal import formats
from portal.moments import now


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (0, "0"),
        (3.0, "3"),
        (-(2**53), "-9007199254740992"),
        (2.0**60, "1.15292e18"),
        (0.25, "0.25"),
        (1234567.5, "1.23457e6"),
        (0.00012345, "123.45e-6"),
        (-2.5e-9, "-2.5e-9"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_whole_plain_or_in_engineering_notation(value, shown):
    assert formats.number(value) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, ""), (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (5 << 30, "5 GiB")],
)
def test_sizes_have_binary_units(count, shown):
    assert formats.size(count) == shown


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (None, ""),
        (0, "0 s"),
        (0.04, "0.04 s"),
        (59.6, "1 min"),
        (timedelta(minutes=2, seconds=5), "2 min 5 s"),
        (timedelta(days=1, hours=2, minutes=3), "1 d 2 h"),
    ],
)
def test_durations_have_their_two_largest_units(length, shown):
    assert formats.duration(length) == shown


def test_ages_of_moments_and_of_moments_on_the_wire():
    assert formats.age(now() - timedelta(minutes=5, seconds=3)) == "5 min ago"
    assert formats.age(now() - timedelta(seconds=1)) == "just now"
    assert formats.age("2020-01-01T00:00:00.000Z").endswith("d ago")
    assert formats.age(None) == ""


def test_moments_are_shown_in_utc():
    assert formats.moment("2026-11-20T20:00:00+01:00") == "2026-11-20 19:00:00 UTC"
    assert formats.moment(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02 00:00:00 UTC"


def test_commands_are_shown_so_that_a_shell_would_take_them():
    assert formats.shell(["run", "--name", "it's", ""]) == ["run", "--name", "'it'\"'\"'s'", "''"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("10 %\r20 %\r\nnext", "20 %\nnext"),
        ("abc\b\bX", "aX"),
        ("\b\bX", "X"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x00b\x9bc", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ("<b>kept</b>\ttab", "<b>kept</b>\ttab"),
        ("\x1b", ""),
    ],
)
def test_output_loses_what_a_terminal_would_obey(written, shown):
    """security 16."""
    assert formats.plain(written) == shown


def test_many_backspaces_take_no_time():
    assert formats.plain("x" * 200_000 + "\b" * 200_000) == ""


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("cores", 1, "1 core"),
        ("memoryMiB", 2048, "2 GiB of memory"),
        ("wallMinutes", 90, "1 h 30 min of time"),
        ("queue", 3, "queue 3"),
    ],
)
def test_limits_are_told_in_words(name, value, shown):
    assert formats.resource(name, value) == shown
