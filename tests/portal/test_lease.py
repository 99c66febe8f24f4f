"""Of several processes one acts (security 22)."""

from __future__ import annotations

import os
import socket
import subprocess
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.lease import Leadership
from portal.model import Lease
from portal.moments import now
from servicekit.owner import new_owner

LONG = timedelta(minutes=1)


@pytest.fixture
def tables(engine_of):
    return engine_of("portal")


def other_holds(tables, holder: str, until=None) -> None:
    with Session(tables) as transaction, transaction.begin():
        transaction.execute(update(Lease).values(holder=holder, until=until or now() + LONG))


def test_first_has_it_and_the_second_does_not_until_it_is_given_up(tables):
    first, second = (Leadership(tables, "x", LONG) for _ in range(2))
    assert first.held()
    assert not second.held()
    assert first.held()
    first.release()
    assert not second.held(), "asked a moment ago"
    assert Leadership(tables, "x", LONG).held()


def test_leases_of_other_names_are_others(tables):
    assert Leadership(tables, "x", LONG).held()
    assert Leadership(tables, "y", LONG).held()


def test_holder_on_another_host_keeps_it_until_its_time_is_over(tables):
    Leadership(tables, "x", LONG).held()
    other_holds(tables, "elsewhere:1:aa")
    assert not Leadership(tables, "x", LONG).held()
    other_holds(tables, "elsewhere:1:aa", now() - timedelta(seconds=1))
    assert Leadership(tables, "x", LONG).held()


def test_dead_process_of_this_host_is_followed_at_once(tables):
    Leadership(tables, "x", LONG).held()
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    host = new_owner().rsplit(":", 2)[0]
    other_holds(tables, f"{host}:{gone.pid}:aa")
    assert Leadership(tables, "x", LONG).held()


def test_process_of_another_container_with_this_name_keeps_it(tables):
    """Its number means nothing here: nobody can tell whether it lives."""
    Leadership(tables, "x", LONG).held()
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    other_holds(tables, f"{socket.gethostname()} pid:[1]:{gone.pid}:aa")
    assert not Leadership(tables, "x", LONG).held()


def test_living_process_of_this_host_is_not(tables):
    Leadership(tables, "x", LONG).held()
    other_holds(tables, f"{socket.gethostname()}:{os.getppid()}:aa")
    assert not Leadership(tables, "x", LONG).held()


def test_who_lost_it_notices(tables):
    first = Leadership(tables, "x", timedelta(seconds=0))
    assert first.held()
    other_holds(tables, "elsewhere:1:aa")
    assert not first.held()
    with Session(tables) as transaction:
        assert transaction.scalar(select(Lease.holder)) == "elsewhere:1:aa"
