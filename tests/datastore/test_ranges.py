"""Range headers: RFC 9110 and quirk Q2 of ids-api §16."""

from __future__ import annotations

import pytest

from datastore.ranges import Part, UnsatisfiableRangeError, wanted
from ijp.errors import BadRequestError


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", Part(0, 100)),
        ("bytes=10-", Part(10, 100)),
        ("bytes=10-19", Part(10, 20)),
        ("bytes=99-99", Part(99, 100)),
        ("bytes=90-1000", Part(90, 100)),
        ("bytes=-5", Part(95, 100)),
        ("bytes=-500", Part(0, 100)),
        ("BYTES=1-2", Part(1, 3)),
        ("bytes=0-1,5-6", None),
        ("items=0-5", None),
    ],
)
def test_part_of_100_bytes(header, part):
    assert wanted(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_nothing_behind_the_end(header):
    with pytest.raises(UnsatisfiableRangeError) as refused:
        wanted(header, 100)
    assert refused.value.size == 100


@pytest.mark.parametrize(
    "header", ["bytes=-10-", "bytes=", "bytes", "bytes=a-b", "bytes=9-5", "", "bytes=٣-"]
)
def test_what_is_no_range_is_refused(header):
    with pytest.raises(BadRequestError) as refused:
        wanted(header, 100)
    assert not isinstance(refused.value, UnsatisfiableRangeError)


@pytest.mark.parametrize(
    ("header", "part"),
    [("bytes=10-", Part(10, None)), ("bytes=10-20", None), ("bytes=-5", None)],
)
def test_of_unknown_length_only_the_rest_can_be_sent(header, part):
    assert wanted(header, None) == part
