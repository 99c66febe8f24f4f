"""What the worker makes of trouble, with a real catalog and a tape library that fails."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from datastore.app import tiers_of
from datastore.tiers.model import TierItem
from datastore.tiers.queue import MOST_TRIES
from datastore.tiers.states import Operation
from datastore.tiers.worker import Workers
from ijp.datastore import Selection
from ijp.errors import InternalError, UnavailableError
from servicekit import database

_TAPE = """
[datastore.archive]
storage = "tape"
delay_seconds = 0
settings = { mount_seconds = 0, bytes_a_second = 1e12 }
"""
_DISK = """
[datastore.archive]
delay_seconds = 0
"""


@pytest.fixture
def settings() -> str:
    return _DISK


@pytest.fixture
def site(facility_site, settings):
    return facility_site(more=settings)


@pytest.fixture
def tiers(site):
    return tiers_of(site.settings_file, site.process.http)


@pytest.fixture
def rows(site):
    """The rows of the table; ``rows(due_now=True)`` lets all of them be due before."""
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")

    def rows(*, due_now: bool = False):
        if due_now:
            with database.writing(engine).begin() as connection:
                queued = update(TierItem).where(TierItem.wanted.is_not(None))
                connection.execute(queued.values(due=datetime.now(UTC)))
        with engine.connect() as connection:
            return connection.execute(select(TierItem).order_by(TierItem.key)).all()

    yield rows
    engine.dispose()


def everything(site) -> Selection:
    return Selection(dataset_ids=[site.dataset_ids[0]])


def content(site, id: int) -> bytes:
    with site.datastore().get_data(Selection(datafile_ids=[id])) as download:
        return b"".join(download.blocks())


@pytest.mark.slow
class TestTornTapes:
    """Every command of the library fails, until it is mended."""

    @pytest.fixture
    def settings(self) -> str:
        return _TAPE

    @pytest.fixture
    def reliability(self, site) -> Path:
        (site.folder / "archive" / "library").mkdir(parents=True)
        return site.folder / "archive" / "library" / "reliability"

    def test_what_cannot_be_written_stays_and_is_written_later(
        self, site, put, tiers, rows, reliability
    ):
        reliability.write_text("0")
        id = put("a", b"abc").id
        for _ in range(MOST_TRIES):
            rows(due_now=True)
            assert tiers.worker.work()
        (row,) = rows()
        assert (row.wanted, row.unwritten, row.failed) == (None, True, Operation.WRITE)
        assert "put ended with 1" in row.failure
        site.datastore().archive(everything(site))
        for _ in range(MOST_TRIES + 2):
            rows(due_now=True)
            tiers.worker.work()
        assert content(site, id) == b"abc"
        reliability.unlink()
        assert tiers.worker.queue.write_again() == 1
        assert tiers.worker.work()
        (row,) = rows()
        assert (row.unwritten, row.in_archive, row.failed) == (False, True, None)

    def test_a_restore_that_fails_is_marked_at_once(self, site, put, tiers, reliability):
        id = put("a", b"abc").id
        tiers.worker.work()
        site.datastore().archive(everything(site))
        tiers.worker.work()
        assert site.stored_files() == []
        reliability.write_text("0")
        site.datastore().restore(everything(site))
        tiers.worker.work()
        with pytest.raises(InternalError, match="Restore failed"):
            site.datastore().status(everything(site))
        reliability.unlink()
        site.datastore().prepare(everything(site))
        tiers.worker.work()
        assert content(site, id) == b"abc"


def test_while_the_catalog_is_away_nothing_is_given_up(site, put, tiers, rows):
    put("a", b"abc")
    mover = tiers.worker.mover

    def away(_: int) -> None:
        raise UnavailableError("the catalog does not answer")

    object.__setattr__(mover, "contents", away)
    assert tiers.worker.work()
    (row,) = rows()
    assert (row.wanted, row.tries, row.failed) == ("WRITE", 1, None)
    assert row.due > datetime.now(UTC)


def test_an_error_of_ours_ends_what_was_tried_and_nothing_else(site, put, tiers, rows):
    put("a", b"abc")
    put("b", b"def", user="ben")

    def fails(_: int) -> None:
        raise ZeroDivisionError

    good = tiers.worker.mover.contents
    first = str(site.dataset_ids[0])
    object.__setattr__(
        tiers.worker.mover, "contents", lambda id: fails(id) if str(id) == first else good(id)
    )
    while tiers.worker.work():
        pass
    found = {row.key: (row.failed, row.in_archive) for row in rows()}
    assert found == {first: ("WRITE", False), str(site.dataset_ids[1]): (None, True)}


def test_a_file_that_is_missing_leaves_the_archive_as_it_is(site, put, tiers, rows):
    """The copy in the archive may be the only one that is whole."""
    first = put("a", b"abc")
    tiers.worker.work()
    kept = site.folder / "archive" / f"{site.dataset_ids[0]}.kept"
    before = kept.read_bytes()
    put("b", b"def")
    (site.folder / "data" / first.location).unlink()
    assert tiers.worker.work()
    (row,) = rows()
    assert (row.wanted, row.unwritten) == ("WRITE", True)
    assert kept.read_bytes() == before


def test_what_a_half_restore_left_is_made_whole(site, put, tiers):
    """A worker was killed between two files, and in the middle of one."""
    first, second = put("a", b"abc"), put("b", b"defgh")
    tiers.worker.work()
    site.datastore().archive(everything(site))
    tiers.worker.work()
    place = site.folder / "data" / second.location
    place.parent.mkdir(parents=True)
    place.with_name(f".{place.name}.part").write_bytes(b"de")
    site.datastore().restore(everything(site))
    tiers.worker.work()
    assert (content(site, first.id), content(site, second.id)) == (b"abc", b"defgh")
    assert len(site.stored_files()) == 2


def test_renamed_and_equally_named_files_come_back(site, put, tiers):
    first, second = put("a", b"abc"), put("b", b"def")
    tiers.worker.work()
    catalog = site.catalog()
    catalog.update("Datafile", first.id, name="c")
    catalog.update("Datafile", second.id, name="a")
    site.datastore().archive(everything(site))
    tiers.worker.work()
    assert site.stored_files() == []
    site.datastore().restore(everything(site))
    tiers.worker.work()
    assert (content(site, first.id), content(site, second.id)) == (b"abc", b"def")


def test_threads_work_until_they_are_stopped(site, put, tiers):
    put("a", b"abc")
    workers = Workers(tiers.worker, 2, 0.01)
    try:
        for _ in range(3000):
            if not tiers.levels.overview().under_way:
                break
            workers._ended.wait(0.01)
    finally:
        workers.stop()
    assert (site.folder / "archive" / f"{site.dataset_ids[0]}.kept").exists()
    assert tiers.levels.overview().locks == []


@pytest.mark.slow
def test_several_processes_move_everything_once_on_postgresql(make_site, tmp_path, postgresql_url):
    """As many owners as there would be processes; each with threads of its own."""
    site = make_site(tmp_path / "site", database_url=postgresql_url, more=_DISK)
    files = {}
    for user, dataset_id in zip(("ana", "ben"), site.dataset_ids, strict=True):
        for number in range(4):
            content = f"{user} {number}".encode()
            stored = site.datastore(user).put(
                [content],
                name=f"{number}",
                dataset_id=dataset_id,
                datafile_format_id=site.datafile_format_id,
            )
            files[stored.id] = content
    owners = [tiers_of(site.settings_file, site.process.http) for _ in range(3)]
    workers = [Workers(one.worker, 2, 0.01) for one in owners]
    root, chosen = site.datastore("root"), Selection(datafile_ids=list(files))
    try:
        wait_until_done(owners[0])
        root.archive(chosen)
        wait_until_done(owners[0])
        assert site.stored_files() == []
        root.restore(chosen)
        wait_until_done(owners[0])
    finally:
        for one in workers:
            one.stop()
    for id, content in files.items():
        with root.get_data(Selection(datafile_ids=[id])) as download:
            assert b"".join(download.blocks()) == content
    overview = owners[0].levels.overview()
    assert (overview.locks, overview.failures) == ([], [])


def wait_until_done(tiers) -> None:
    until = time.monotonic() + 60
    while tiers.levels.overview().under_way:
        assert time.monotonic() < until
        time.sleep(0.02)
