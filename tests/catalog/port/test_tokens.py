"""Rows of dumps: what they may look like, and what is told of those that are none."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.model import StudyStatus
from catalog.port.tokens import Moment, Word, read, row
from ijp.errors import BadRequestError


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('90,NULL,null,"ESNF",Null', [90, None, None, "ESNF", None]),
        (' -1 ,\t+2,"a , b" ', [-1, 2, "a , b"]),
        ("1.5,-.5,2.,1e3,1.5E-7", [1.5, -0.5, 2.0, 1000.0, 1.5e-7]),
        ("true,FALSE,True", [True, False, True]),
        ("NUMERIC,NA", [Word("NUMERIC"), Word("NA")]),
        (r'"\t\n\r\f\b\"\'\\"', ["\t\n\r\f\b\"'\\"]),
        ('""', [""]),
        ('"\x0b\x85\u2028\'"', ["\x0b\x85\u2028'"]),
        (
            "2014-05-16T16:58:26.12+12:30,2014-05-16T16:58:26Z,2014-05-16T16:58:26",
            [
                Moment("2014-05-16T16:58:26.12+12:30"),
                Moment("2014-05-16T16:58:26Z"),
                Moment("2014-05-16T16:58:26"),
            ],
        ),
        ("2014-05-16T16:58:26.123456789Z", [Moment("2014-05-16T16:58:26.123456Z")]),
    ],
)
def test_values_are_read(line, values):
    found = read(line)
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no value in column 0"),
        ("1,", "no value in column 1"),
        ("1,,2", "no value in column 1"),
        ('1,"abc', 'unterminated string "abc in column 1'),
        ('"abc\\"', 'unterminated string "abc\\" in column 0'),
        ('"a" b', '"a" b in column 0 is no value followed by a comma or the end of the line'),
        ('"a""b"', '"a""b" in column 0 is no value'),
        (r'"\x41"', r"unknown escape \x in column 0"),
        ("1;2", "1;2 in column 0 is no value"),
        ("1,5 6", "5 6 in column 1 is no value"),
        ("٣", "٣ in column 0 is no value"),
        ("2014-05-16", "2014-05-16 in column 0 is no value"),
        ("0x10", "0x10 in column 0 is no value"),
        ("'a'", "'a' in column 0 is no value"),
        ("9" * 5000, "the number in column 0 has 5000 digits"),
    ],
)
def test_what_is_no_row_is_told_with_its_column(line, message):
    with pytest.raises(BadRequestError) as refused:
        read(line)
    assert refused.value.message.startswith(message)


def test_values_are_written_as_the_format_has_them():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    finer = moment.replace(microsecond=678_901)
    values = ["a\"b\\c\nd'", 2**40, 0.1, 1e300, True, None, StudyStatus.NEW, moment, finer]
    assert row([*values, Word("NA"), math.nan, -math.inf]) == (
        '"a\\"b\\\\c\\nd\'",1099511627776,0.1,1e+300,true,NULL,NEW,2026-01-02T03:04:05.678Z,'
        "2026-01-02T03:04:05.678901Z,NA,NULL,NULL"
    )


@given(
    st.lists(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        min_size=1,
    )
)
def test_what_is_written_is_read_again(values):
    line = row(values)
    assert "\n" not in line
    assert read(line) == values


@given(st.text(st.sampled_from('"\\,. \t-+eE1aN:TZ') | st.characters(), max_size=30))
def test_any_text_is_a_row_or_refused(line):
    with suppress(BadRequestError):
        assert read(line)
