"""How often an engine is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.pace import LONGEST_SECONDS, Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_quick_engine_is_asked_as_the_settings_say(clock):
    pace = Pace(5.0, clock)
    pace.answered(0.1)
    assert pace.interval == 5.0
    assert pace.may_ask


def test_slow_engine_is_asked_less_often(clock):
    pace = Pace(5.0, clock)
    pace.answered(2.0)
    assert pace.interval == 20.0
    pace.answered(1000.0)
    assert pace.interval == LONGEST_SECONDS


def test_silent_engine_is_left_alone_longer_and_longer_until_it_answers(clock):
    pace, pauses = Pace(0.5, clock), []
    for _ in range(9):
        pace.silent()
        assert not pace.may_ask
        pauses.append(pace.interval)
        clock.now += pace.interval
        assert pace.may_ask
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pace.answered(0.0)
    assert (pace.interval, pace.may_ask) == (0.5, True)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=2000), st.floats(0.05, 100))
def test_pauses_have_bounds_whatever_happens(answers, base):
    pace = Pace(base, lambda: 0.0)
    for took in answers:
        pace.silent() if took is None else pace.answered(took)
        assert base <= pace.interval <= max(base, LONGEST_SECONDS)
