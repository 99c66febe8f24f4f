"""Listeners hear each change, also one before they wait, and dead ones are cleared away."""

from __future__ import annotations

import os

import pytest

from batch.local.wakeup import Listener, wake


@pytest.fixture
def listen(tmp_path):
    made = []

    def listen():
        made.append(Listener(str(tmp_path)))
        return made[-1]

    yield listen
    for listener in made:
        listener.close()


def test_every_listener_hears_a_change_once(listen, tmp_path):
    both = [listen(), listen()]
    wake(str(tmp_path))
    wake(str(tmp_path))
    assert [one.wait(0) for one in both] == [True, True]
    assert [one.wait(0.01) for one in both] == [False, False]


def test_listener_that_nobody_reads_does_not_block(listen, tmp_path):
    listener = listen()
    for _ in range(70_000):
        wake(str(tmp_path))
    assert listener.wait(0)
    assert not listener.wait(0)


def test_listener_of_a_killed_process_is_removed(listen, tmp_path):
    listener = listen()
    os.mkfifo(tmp_path / "listeners" / "dead")
    wake(str(tmp_path))
    assert listener.wait(0)
    assert "dead" not in os.listdir(tmp_path / "listeners")


def test_waking_without_listeners_is_nothing(tmp_path):
    wake(str(tmp_path / "absent"))
