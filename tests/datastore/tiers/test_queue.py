"""The queue, on both databases."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from datastore.tiers.model import TierItem
from datastore.tiers.queue import MOST_TRIES, Queue
from datastore.tiers.records import Standing, Thing
from datastore.tiers.states import Operation, Request, Unit
from datastore.unsettled import Unsettled
from servicekit.database import writing
from servicekit.owner import new_owner

LEASE = timedelta(seconds=60)
NOBODY = "elsewhere pid:[1]:1:00"
ONE = Thing("7", 7)


@pytest.fixture
def queue(engine):
    return Queue(engine, Unit.DATASET, timedelta())


def take(queue, owner="me:1:1"):
    (found,) = queue.take(owner, LEASE, 1)
    return found


def written(queue):
    """A dataset that is on both levels."""
    queue.request([ONE], Operation.WRITE)
    assert queue.written("me:1:1", take(queue), 10)


def archived(queue):
    """A dataset that is in the archive only."""
    written(queue)
    queue.request([ONE], Operation.ARCHIVE)
    taken = take(queue)
    assert queue.go_offline("me:1:1", taken)
    queue.done("me:1:1", taken)


def test_what_is_asked_for_is_taken_up_once(queue):
    queue.request([ONE], Operation.WRITE)
    assert take(queue).operation is Operation.WRITE
    assert queue.take("other:1:1", LEASE, 1) == []


def test_two_takers_share_the_work_and_take_nothing_twice(queue):
    queue.request([Thing(str(id), id) for id in range(40)], Operation.WRITE)
    found: list[str] = []

    def run(owner: str) -> None:
        while taken := queue.take(owner, LEASE, 1):
            found.append(taken[0].thing.key)

    threads = [threading.Thread(target=run, args=(f"{name}:1:1",)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=int) == [str(id) for id in range(40)]


def test_a_write_waits_for_more_changes(engine):
    queue = Queue(engine, Unit.DATASET, timedelta(hours=1))
    queue.request([ONE], Operation.WRITE)
    assert queue.take("me:1:1", LEASE, 1) == []
    assert queue.under_way() == [(ONE, Request.WRITE)]


def test_files_are_collected_from_the_first_request_on(engine):
    queue = Queue(engine, Unit.DATAFILE, timedelta(hours=1))
    queue.request([Thing("1/7/a", 7, 1)], Operation.WRITE)
    queue.request([Thing("1/7/b", 7, 2)], Operation.WRITE)
    with engine.connect() as connection:
        first, second = connection.execute(TierItem.__table__.select().order_by("key")).all()
    assert first.due == second.due
    with writing(engine).begin() as connection:
        connection.execute(update(TierItem).values(due=datetime.now(UTC)))
    assert len(queue.take("me:1:1", LEASE, 100)) == 2


def test_what_changes_during_a_write_is_not_taken_for_written(queue):
    queue.request([ONE], Operation.WRITE)
    taken = take(queue)
    queue.request([ONE], Operation.WRITE)
    queue.written("me:1:1", taken, 10)
    queue.request([ONE], Operation.ARCHIVE)
    assert queue.under_way() == [(ONE, Request.WRITE_THEN_ARCHIVE)]
    again = take(queue)
    assert (again.operation, again.unwritten) == (Operation.WRITE, True)
    queue.written("me:1:1", again, 12)
    archive = take(queue)
    assert (archive.operation, archive.unwritten, archive.archive_bytes) == (
        Operation.ARCHIVE,
        False,
        12,
    )


def test_what_was_never_written_does_not_leave_the_main_storage(queue):
    queue.request([ONE], Operation.ARCHIVE)
    assert not queue.go_offline("me:1:1", take(queue))
    assert queue.standing(["7"])["7"].in_main


def test_what_is_being_uploaded_does_not_leave_the_main_storage(queue, engine):
    written(queue)
    Unsettled(engine).note([("1/7/a", 7)])
    queue.request([ONE], Operation.ARCHIVE)
    taken = take(queue)
    assert queue.is_unsettled(7)
    assert not queue.go_offline("me:1:1", taken)
    Unsettled(engine).settled(["1/7/a"])
    assert queue.go_offline("me:1:1", taken)


@pytest.mark.parametrize("values", [{"in_archive": False}, {"unwritten": True}])
def test_the_database_refuses_data_that_are_nowhere(queue, engine, values):
    archived(queue)
    with pytest.raises(IntegrityError), writing(engine).begin() as connection:
        connection.execute(update(TierItem).values(**values))


def test_what_a_killed_worker_had_is_taken_up_again(queue):
    archived(queue)
    queue.request([ONE], Operation.RESTORE)
    (taken,) = queue.take(NOBODY, timedelta(seconds=-1), 1)
    assert queue.take("me:1:1", LEASE, 1) == []
    assert not queue.holds(NOBODY, taken)
    assert queue.recover() == 1
    assert take(queue).operation is Operation.RESTORE


def test_a_dead_process_of_this_host_is_known_at_once(queue):
    host, _, own = new_owner().rsplit(":", 2)
    queue.request([ONE], Operation.WRITE)
    queue.take(f"{host}:{2**22 + 1}:{own}", LEASE, 1)
    assert queue.recover() == 1


def test_who_lost_his_work_cannot_end_it(queue):
    archived(queue)
    queue.request([ONE], Operation.RESTORE)
    (late,) = queue.take(NOBODY, timedelta(seconds=-1), 1)
    queue.recover()
    take(queue)
    assert not queue.restored(NOBODY, late)
    queue.failed(NOBODY, late, "too late")
    assert queue.standing(["7"])["7"].failure is None


def test_only_what_is_in_hand_is_extended(queue):
    queue.request([ONE, Thing("8", 8)], Operation.WRITE)
    first, second = queue.take(NOBODY, timedelta(seconds=-1), 2)
    queue.let_go([first])
    queue.extend(NOBODY, LEASE)
    assert (queue.holds(NOBODY, first), queue.holds(NOBODY, second)) == (False, True)


def test_a_failure_stays_until_it_is_reset(queue):
    archived(queue)
    queue.request([ONE], Operation.RESTORE)
    queue.failed("me:1:1", take(queue), "the tape is torn")
    assert queue.standing(["7"])["7"].failure == "the tape is torn"
    assert queue.failures() == [(ONE, Operation.RESTORE, "the tape is torn")]
    queue.request([ONE], Operation.RESTORE)
    assert queue.standing(["7"])["7"].failure == "the tape is torn"
    queue.reset(["7"])
    assert queue.failures() == []


def test_a_restore_that_goes_well_takes_the_failure_away(queue):
    archived(queue)
    queue.request([ONE], Operation.RESTORE)
    queue.failed("me:1:1", take(queue), "the tape is torn")
    queue.request([ONE], Operation.RESTORE)
    queue.restored("me:1:1", take(queue))
    online = Standing(in_main=True, is_queued=False, is_coming=False, failure=None)
    assert queue.standing(["7"]) == {"7": online}


def test_a_restore_is_not_forgotten_for_a_write(queue):
    """Quirk Q6."""
    archived(queue)
    queue.request([ONE], Operation.RESTORE)
    queue.request([ONE], Operation.WRITE)
    taken = take(queue)
    assert taken.operation is Operation.RESTORE
    queue.restored("me:1:1", taken)
    assert take(queue).operation is Operation.WRITE


def test_what_fails_is_put_back_and_counts_its_tries(queue):
    queue.request([ONE], Operation.WRITE)
    for tries in range(MOST_TRIES):
        taken = take(queue)
        assert taken.tries == tries
        queue.put_back("me:1:1", taken, is_try=True)


def test_what_is_unwritten_after_a_failure_is_written_again(queue):
    queue.request([ONE], Operation.WRITE)
    queue.failed("me:1:1", take(queue), "no space")
    assert queue.under_way() == []
    assert queue.write_again() == 1
    assert queue.under_way() == [(ONE, Request.WRITE)]


def test_a_file_that_was_never_written_is_forgotten_when_it_is_deleted(engine):
    queue = Queue(engine, Unit.DATAFILE, timedelta())
    file = Thing("1/7/a", 7, 3)
    queue.request([file], Operation.WRITE)
    queue.request([file], Operation.DELETE)
    assert queue.under_way() == []
    queue.request([file], Operation.WRITE)
    queue.written("me:1:1", take(queue), 3)
    queue.request([file], Operation.WRITE)
    queue.request([file], Operation.DELETE)
    taken = take(queue)
    assert taken.operation is Operation.DELETE
    queue.forget("me:1:1", taken)
    assert queue.standing([file.key]) == {}


def test_what_is_read_counts_as_used(queue, engine):
    written(queue)
    queue.request([Thing("8", 8)], Operation.WRITE)
    queue.done("me:1:1", take(queue))
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    with writing(engine).begin() as connection:
        connection.execute(update(TierItem).where(TierItem.key == "7").values(touched=long_ago))
    assert [thing.key for thing in queue.longest_unused()] == ["7", "8"]
    queue.touch(["7"])
    assert [thing.key for thing in queue.longest_unused()] == ["8", "7"]
