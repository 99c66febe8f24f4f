"""Dispatchers hear at once of work, whichever process has made it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from portal.wakeup import LOOK, WORK, Bell, Hearing, bell_for, waker
from servicekit import database

_CALL = """
import sys
from pathlib import Path
from portal.wakeup import waker
from servicekit.database import engine_for
url, folder, subject = sys.argv[1:]
waker(url, engine_for(url, "portal"), Path(folder), subject)()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """A database of each kind, with a folder that its processes share; gives URL and folder."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/portal.sqlite", tmp_path
    return request.getfixturevalue("postgresql_url"), tmp_path


def test_call_sets_all_events_of_the_same_database():
    bell = Bell()
    first, second = bell.event(), bell.event()
    bell.ring()
    assert (first.is_set(), second.is_set()) == (True, True)


def test_event_that_nobody_keeps_is_forgotten():
    bell = Bell()
    bell.event()
    assert not any(bell._events.values())


def test_call_in_the_same_process_needs_nobody_who_hears(tmp_path):
    url = f"sqlite:///{tmp_path}/portal.sqlite"
    event = bell_for(url).event()
    waker(url, database.engine_for(url, "portal"), tmp_path)()
    assert event.is_set()


def test_call_to_look_is_work_and_not_the_other_way_round():
    bell = Bell()
    look, work = bell.event(LOOK), bell.event(WORK)
    bell.ring(WORK)
    assert (look.is_set(), work.is_set()) == (False, True)
    work.clear()
    bell.ring(LOOK)
    assert (look.is_set(), work.is_set()) == (True, True)


@pytest.mark.parametrize("subject", [WORK, LOOK])
def test_call_of_another_process_is_heard(place, subject):
    url, folder = place
    engine = database.engine_for(url, "portal")
    bell = Bell()
    event = bell.event(subject)
    hearing = Hearing(bell, engine, folder)
    hearing.start()
    try:
        until = time.monotonic() + 20
        while not event.is_set():
            subprocess.run([sys.executable, "-c", _CALL, url, str(folder), subject], check=True)
            assert time.monotonic() < until
            event.wait(0.5)
    finally:
        hearing.stop(10)
        engine.dispose()
    assert not hearing._thread.is_alive()


def test_hearing_comes_back_when_its_connection_was_ended(postgresql_url, tmp_path):
    engine = database.engine_for(postgresql_url, "portal")
    bell = Bell()
    event = bell.event()
    wake = waker(postgresql_url, engine, tmp_path)
    hearing = Hearing(bell, engine, tmp_path)
    hearing.start()
    listening = text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    try:
        with engine.connect() as connection:
            until = time.monotonic() + 20
            while not (pids := connection.execute(listening).scalars().all()):
                assert time.monotonic() < until
                connection.rollback()
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pids[0]})
        until = time.monotonic() + 20
        event.clear()
        while not event.wait(0.2):
            wake()
            assert time.monotonic() < until
    finally:
        hearing.stop(10)
        engine.dispose()
