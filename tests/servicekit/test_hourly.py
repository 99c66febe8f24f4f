"""Hourly work is done at the start, again after a while, and also after it failed."""

from __future__ import annotations

import logging
import threading

from servicekit.hourly import Hourly


def test_work_is_done_at_the_start_and_not_after_the_end():
    done: list[int] = []
    started = threading.Event()

    def work() -> None:
        done.append(1)
        started.set()

    hourly = Hourly("test", work)
    assert started.wait(20)
    hourly.stop()
    assert done == [1]


def test_what_fails_is_logged_and_tried_again(caplog):
    times, twice = [], threading.Event()

    def work() -> None:
        times.append(1)
        if len(times) == 2:
            twice.set()
        raise ValueError("no")

    with caplog.at_level(logging.ERROR):
        hourly = Hourly("test", work, every_seconds=0.01)
        assert twice.wait(20)
        hourly.stop()
    assert "test failed" in caplog.text
