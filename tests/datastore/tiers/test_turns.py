"""Whose turn it is, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from datastore.tiers.model import TierItem
from datastore.tiers.queue import Queue
from datastore.tiers.records import Share, Thing
from datastore.tiers.states import Operation, Request, Unit
from servicekit.database import writing

LEASE = timedelta(seconds=60)
OWNER = "me:1:1"


@pytest.fixture
def queue(engine):
    return Queue(engine, Unit.DATASET, timedelta())


@pytest.fixture
def ask(engine, queue):
    """Asks for the restore of datasets by their numbers, all of which are in the archive only."""

    def ask(asker: str, *ids: int) -> None:
        away = {"in_main": False, "in_archive": True, "unwritten": False, "touched": queue.now()}
        rows = [{"key": str(id), "dataset_id": id, **away} for id in ids]
        with writing(engine).begin() as connection:
            known = queue.known([row["key"] for row in rows])
            if new := [row for row in rows if row["key"] not in known]:
                connection.execute(insert(TierItem), new)
        queue.request([Thing(str(id), id) for id in ids], Operation.RESTORE, asker)

    return ask


def served(queue, count: int) -> list[int]:
    """The numbers of the next datasets, as one worker takes them up."""
    found = []
    for _ in range(count):
        (taken,) = queue.take(OWNER, LEASE, 1)
        found.append(taken.thing.dataset_id)
        queue.restored(OWNER, taken)
    return found


def test_who_asks_for_much_does_not_keep_others_waiting(queue, ask):
    ask("ana", *range(101, 201))
    assert served(queue, 10) == list(range(101, 111))
    ask("ben", 300, 301)
    assert {300, 301} <= set(served(queue, 5))
    ask("cem", 400)
    assert 400 in served(queue, 3)


def test_those_who_ask_for_much_are_served_alternately(queue, ask):
    ask("ana", *range(1, 41))
    ask("ben", *range(101, 141))
    first = served(queue, 20)
    assert abs(sum(id > 100 for id in first) - 10) <= 1


def test_what_another_one_asked_for_comes_when_it_is_ones_own_turn(queue, ask):
    ask("ana", *range(101, 201))
    ask("ben", 190)
    assert 190 in served(queue, 3)


def test_asking_again_gains_nothing(queue, ask):
    ask("ana", *range(101, 151))
    queue.request([Thing("150", 150)], Operation.RESTORE, "ana")
    assert 150 not in served(queue, 49)


def test_who_was_not_there_saves_nothing_up(queue, ask):
    """Ben, who asks for much late, is not served alone until he has had as much."""
    ask("ana", *range(1, 101))
    served(queue, 50)
    ask("ben", *range(201, 251))
    first = served(queue, 20)
    assert abs(sum(id > 200 for id in first) - 10) <= 1


def test_what_the_service_itself_does_is_in_turn_too(queue, ask):
    ask("ana", *range(1, 101))
    queue.request([Thing("500", 500)], Operation.WRITE)
    assert 500 in served(queue, 3)


def test_shares_are_told(queue, ask):
    ask("ana", 1, 2, 3)
    ask("ben", 4)
    queue.take(OWNER, LEASE, 1)
    assert queue.shares() == [
        Share("ana", Request.RESTORE, waiting=2, running=1),
        Share("ben", Request.RESTORE, waiting=1, running=0),
    ]
    running, *next_ones = (thing.dataset_id for thing, _ in queue.under_way(3))
    assert (running, len(next_ones)) == (1, 2)
