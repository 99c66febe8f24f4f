"""How long a job will run, told from earlier ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.run_times import FEWEST_SIZED, Run, about, of_runs

SECONDS = st.floats(0, 1e7)
RUNS = st.lists(
    st.builds(Run, seconds=SECONDS, input_bytes=st.none() | st.integers(0, 2**50)),
    min_size=1,
    max_size=20,
)


def test_nothing_is_told_without_earlier_runs():
    assert of_runs([]) is None
    assert of_runs([], 10) is None


def test_median_and_range_of_earlier_runs_are_told():
    found = of_runs([Run(seconds) for seconds in (60, 180, 120, 170, 600)])
    assert (found.seconds, found.low, found.high, found.runs) == (170, 60, 600, 5)
    assert found.words == "about 3 min (median of 5 earlier runs, 60 s to 10 min)"


def test_one_run_is_called_one():
    assert of_runs([Run(7)]).words == "about 7 s (one earlier run)"


def test_size_of_the_data_counts_where_it_explains_the_runs():
    runs = [Run(10 + size, size * 1000) for size in (100, 200, 400, 800, 1600, 3200)]
    found = of_runs(runs, 6_400_000)
    assert found.is_by_size
    assert found.seconds == pytest.approx(6410)
    assert found.words.startswith("about 2 h (by the size of the data and 6 earlier runs")
    assert of_runs(runs).seconds == 610


def test_one_odd_run_does_not_spoil_what_the_size_tells():
    runs = [Run(10 + size, size * 1000) for size in (100, 200, 400, 800, 1600, 3200)]
    found = of_runs([*runs, Run(100_000, 1000)], 300_000)
    assert found.is_by_size
    assert found.seconds == pytest.approx(310, rel=0.1)


@pytest.mark.parametrize(
    "runs",
    [
        [Run(60 + odd, 1000 * size) for odd, size in enumerate((9, 1, 5, 7, 2, 8, 3))],
        [Run(60, 1000 * size) for size in range(10)],
        [Run(100 - size, 1000 * size) for size in range(10)],
        [Run(10 + size, 1000 * size) for size in range(1, FEWEST_SIZED)],
        [Run(10 + size) for size in range(10)],
        [Run(10 + size, 77) for size in range(10)],
    ],
    ids=["no relation", "always the same", "shorter for more", "too few", "no sizes", "one size"],
)
def test_size_does_not_count_where_it_tells_nothing(runs):
    assert of_runs(runs, 10**9) == of_runs(runs)


@given(RUNS, st.none() | st.integers(0, 2**50))
def test_estimate_is_a_time_in_its_own_range(runs, size):
    found = of_runs(runs, size)
    assert 0 <= found.low <= found.seconds * (1 + 1e-9) + 1e-9
    assert found.seconds <= found.high * (1 + 1e-9) + 1e-9
    assert 1 <= found.runs <= len(runs)
    assert found.words


@given(RUNS, st.randoms())
def test_order_of_the_runs_does_not_matter(runs, random):
    mixed = list(runs)
    random.shuffle(mixed)
    assert of_runs(mixed) == of_runs(runs)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (4.4, "4 s"),
        (43, "45 s"),
        (100, "2 min"),
        (3600, "60 min"),
        (2.4 * 3600, "2.5 h"),
        (72 * 3600, "3 days"),
    ],
)
def test_times_are_told_as_roughly_as_they_are_known(seconds, text):
    assert about(seconds) == text
