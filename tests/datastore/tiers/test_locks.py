"""Locks on datasets, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from datastore.tiers.locks import LockCount, Locks
from datastore.tiers.queue import Queue
from datastore.tiers.states import Unit
from ijp.errors import DataNotOnlineError
from servicekit.owner import new_owner


@pytest.fixture
def make_locks(engine):
    made = []

    def make_locks(lease: timedelta = timedelta(seconds=60)) -> Locks:
        made.append(Locks(engine, Queue(engine, Unit.DATASET, timedelta()), lease))
        return made[-1]

    yield make_locks
    for locks in made:
        locks.stop()


def test_many_may_share(make_locks):
    first, second = make_locks(), make_locks()
    with first.shared([1, 2]), first.shared([1]), second.shared([1]):
        assert second.counts() == [LockCount(1, False, 3), LockCount(2, False, 1)]
    assert first.counts() == []


@pytest.mark.parametrize(
    ("there", "asked"),
    [("shared", "exclusive"), ("exclusive", "shared"), ("exclusive", "exclusive")],
)
def test_exclusive_is_alone(make_locks, there, asked):
    first, second = make_locks(), make_locks()
    with getattr(first, there)([1]):
        with pytest.raises(DataNotOnlineError, match="busy: dataset 1"):
            getattr(second, asked)([1])
        with getattr(second, asked)([2]):
            pass
    with getattr(second, asked)([1]):
        pass


def test_thousands_can_be_held_at_once(make_locks):
    """PostgreSQL has room for fewer advisory locks."""
    locks, ids = make_locks(), range(7000)
    with locks.shared(ids):
        assert len(locks.counts()) == 7000
        with pytest.raises(DataNotOnlineError, match="busy: dataset 6999"):
            make_locks().exclusive([6999])
    assert locks.counts() == []


def test_of_several_all_or_none(make_locks):
    locks = make_locks()
    with locks.exclusive([2]):
        with pytest.raises(DataNotOnlineError):
            locks.shared([1, 2, 3])
        assert locks.counts() == [LockCount(2, True, 1)]


def test_one_of_many_gets_it(make_locks):
    owners = [make_locks() for _ in range(4)]
    got: list[int] = []
    start = threading.Barrier(4)

    def run(number: int) -> None:
        start.wait()
        try:
            owners[number].exclusive([1])
        except DataNotOnlineError:
            return
        got.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_what_is_not_renewed_ends(make_locks):
    dead = make_locks(timedelta(seconds=-1))
    dead._ended.set()  # it renews nothing, like a process that hangs
    dead.exclusive([1])
    with make_locks().exclusive([1]):
        pass


def test_a_killed_process_of_this_host_holds_nothing(make_locks):
    dead = make_locks()
    host, _, own = new_owner().rsplit(":", 2)
    dead.owner = f"{host}:{2**22 + 1}:{own}"
    dead.exclusive([1])
    alive = make_locks()
    alive.shared([2])
    assert alive.drop_ended() == 1
    assert alive.counts() == [LockCount(2, False, 1)]


def test_what_is_held_is_renewed(make_locks):
    holder = make_locks(timedelta(seconds=1))
    held = holder.exclusive([1])
    other = make_locks()
    for _ in range(8):
        assert not threading.Event().wait(0.2)
        with pytest.raises(DataNotOnlineError):
            other.shared([1])
    held.release()
    held.release()
    with other.shared([1]):
        pass
