"""Which host is which, and what several say of one."""

from __future__ import annotations

import pytest

from batch.monitoring.measures import Measures, known_as, quantity, together


@pytest.mark.parametrize(
    ("host", "known", "found"),
    [
        ("n1", {"n1", "n2"}, "n1"),
        ("N1.Example.org", {"n1", "n10"}, "n1"),
        ("n1", {"n1.example.org", "n10.example.org"}, "n1.example.org"),
        ("n1.example.org.", {"n1.example.org"}, "n1.example.org"),
        ("n1.example.org", {"n1.other.org"}, None),
        ("n1", {"n1.a.org", "n1.b.org"}, None),
        ("n1", {"n1", "n1.b.org"}, "n1"),
        ("10.0.0.1", {"10"}, None),
        ("10.0.0.1", {"10.0.0.1"}, "10.0.0.1"),
        ("10", {"10.0.0.1"}, None),
        ("", {"n1"}, None),
        ("n3", {"n1"}, None),
        ("n1", set(), None),
    ],
)
def test_hosts_are_known_by_short_and_full_names(host, known, found):
    assert known_as((host,), known) == found


def test_first_name_that_fits_counts():
    assert known_as(("localhost", "n2", "n1"), {"n1", "n2"}) == "n2"


def test_newest_word_on_each_value_counts():
    old = Measures(hosts=("n1",), age_seconds=60, load_1=9.0, disk_free_bytes=5)
    new = Measures(hosts=("n1.example.org",), age_seconds=2, load_1=1.0)
    found = together([old, new])
    assert found is not None
    assert (found.age_seconds, found.load_1, found.disk_free_bytes) == (2, 1.0, 5)
    assert together([]) is None


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -0.1, 2.0**53])
def test_what_cannot_be_a_quantity_is_none(value):
    assert quantity(value) is None
