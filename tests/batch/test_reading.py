"""Reading single values of what commands print."""

from __future__ import annotations

import pytest

from batch.reading import decimal, tag_at_end, whole

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        (f"a.{MARK}", MARK),
        (f"a.b.{MARK}\nx.{'0' * 26}", MARK),
        (f".{MARK}", MARK),
        (MARK, MARK),
        (f"a.{MARK}x", ""),
        (f"{MARK}.a", ""),
        ("", ""),
    ],
)
def test_tag_is_at_the_end_of_the_first_line(name, tag):
    assert tag_at_end(name) == tag


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("17", 17),
        (" -3 ", -3),
        ("1.5", None),
        ("", None),
        (None, None),
        ("٣", None),
        ("9" * 99, None),
    ],
)
def test_whole_numbers_are_read(text, number):
    assert whole(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("2.5", 2.5), ("7", 7.0), ("N/A", None), ("", None), (None, None)]
)
def test_decimals_are_read(text, number):
    assert decimal(text) == number
