"""Contents that go or change under the service, an archive that is away, clocks that jump."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from datastore.app import scrub_of, tiers_of
from datastore.tiers.locks import Locks
from datastore.tiers.model import TierItem
from datastore.tiers.queue import Queue
from datastore.tiers.records import Thing
from datastore.tiers.states import Operation, Unit
from ijp.datastore import Selection
from ijp.errors import DataNotOnlineError, InternalError, NotFoundError, PortalError
from servicekit import database

_ARCHIVE = """
[datastore.archive]
delay_seconds = 0
unit = "{unit}"
"""


def read(site, *ids: int, **options: bool) -> bytes:
    with site.datastore().get_data(Selection(datafile_ids=ids), **options) as download:
        return b"".join(download.blocks())


def place_of(site, stored):
    return site.folder / "data" / stored.location


def marked(site) -> dict[str, str]:
    return dict(scrub_of(site.settings_file, site.process.http).marked())


class TestOneLevel:
    """There is no other copy: the reason is told, and the administrator finds the file."""

    def test_a_file_that_is_missing(self, site, put):
        stored = put("a", b"abc")
        place_of(site, stored).unlink()
        with pytest.raises(NotFoundError, match=f"Datafile {stored.id} has no content"):
            read(site, stored.id)
        assert marked(site) == {stored.location: "it is missing"}

    def test_a_file_that_has_another_length(self, site, put):
        stored = put("a", b"abc")
        place_of(site, stored).write_bytes(b"abcd")
        with pytest.raises(InternalError, match="4 bytes in the storage, 3 in the catalog"):
            read(site, stored.id)
        assert marked(site) == {stored.location: "it has 4 bytes, and had 3"}

    def test_a_catalog_with_another_size_is_no_fault_of_the_file(self, site, put):
        stored = put("a", b"abc")
        site.catalog().update("Datafile", stored.id, fileSize=5)
        with pytest.raises(InternalError, match="3 bytes in the storage, 5 in the catalog"):
            read(site, stored.id)
        assert marked(site) == {}

    @pytest.mark.slow
    def test_the_command(self, site, put):
        stored = put("a", b"abc")
        place_of(site, stored).unlink()
        with pytest.raises(NotFoundError):
            read(site, stored.id)
        command = [Path(sys.executable).with_name("ijpd"), "datastore", "faults"]
        done = subprocess.run(
            [*command, "--settings", site.settings_file], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (1, f"{stored.location}: it is missing\n")

    def test_a_file_that_is_deleted_while_it_is_read_comes_whole(self, site, put):
        content = bytes(range(256)) * 40_000
        stored = put("a", content)
        with site.datastore().get_data(Selection(datafile_ids=[stored.id])) as download:
            blocks = download.blocks()
            first = next(blocks)
            site.datastore().delete(Selection(datafile_ids=[stored.id]))
            assert first + b"".join(blocks) == content

    def test_a_zip_of_which_a_file_is_deleted_breaks_off(self, site, put):
        """It never ends as if it were whole."""
        ids = [put(name, bytes(3_000_000)).id for name in "abc"]
        with site.datastore().get_data(Selection(datafile_ids=ids), zip=True) as download:
            blocks = download.blocks()
            start = next(blocks)
            site.datastore().delete(Selection(datafile_ids=[ids[-1]]))
            with pytest.raises((PortalError, zipfile.BadZipFile)):
                zipfile.ZipFile(io.BytesIO(start + b"".join(blocks)))


class TestTwoLevels:
    """What the archive has comes back from there."""

    @pytest.fixture(params=["dataset", pytest.param("datafile", marks=pytest.mark.slow)])
    def unit(self, request) -> str:
        return request.param

    @pytest.fixture
    def site(self, facility_site, unit):
        return facility_site(more=_ARCHIVE.format(unit=unit))

    @pytest.fixture
    def tiers(self, site):
        return tiers_of(site.settings_file, site.process.http)

    @pytest.fixture
    def work(self, tiers):
        def work() -> None:
            while tiers.worker.work():
                pass

        return work

    @pytest.fixture
    def archived(self, site, put, work) -> int:
        id = put("a", b"abc").id
        work()
        site.datastore().archive(Selection(datafile_ids=[id]))
        work()
        assert site.stored_files() == []
        return id

    @pytest.mark.parametrize("content", [None, b"ab"])
    def test_a_missing_or_damaged_file_comes_back(self, site, put, work, content):
        stored, other = put("a", b"abc"), put("b", b"def")
        work()
        place_of(site, stored).unlink()
        if content is not None:
            place_of(site, stored).write_bytes(content)
        with pytest.raises(DataNotOnlineError):
            read(site, stored.id)
        assert list(marked(site)) == [stored.location]
        work()
        assert (read(site, stored.id), read(site, other.id)) == (b"abc", b"def")

    def test_what_the_archive_has_not_yet_is_told_as_missing(self, site, put):
        stored = put("a", b"abc")
        place_of(site, stored).unlink()
        with pytest.raises(NotFoundError):
            read(site, stored.id)

    def test_a_catalog_with_another_size_moves_nothing(self, site, put, work, tiers):
        stored = put("a", b"abc")
        work()
        site.catalog().update("Datafile", stored.id, fileSize=5)
        with pytest.raises(InternalError):
            read(site, stored.id)
        assert tiers.levels.overview().under_way == []

    def test_an_archive_that_is_away_is_asked_again(self, site, archived, tiers, work):
        """Its disk is not mounted: that is no answer about the data."""
        folder, chosen = site.folder / "archive", Selection(datafile_ids=[archived])
        folder.rename(site.folder / "unmounted")
        site.datastore().restore(chosen)
        assert tiers.worker.work()
        assert site.datastore().status(chosen) == "RESTORING"
        assert not folder.exists()
        (site.folder / "unmounted").rename(folder)
        begin_now(tiers)
        work()
        assert read(site, archived) == b"abc"

    def test_nothing_leaves_while_the_archive_is_away(self, site, put, tiers, work):
        id = put("a", b"abc").id
        work()
        (site.folder / "archive").rename(site.folder / "unmounted")
        site.datastore().archive(Selection(datafile_ids=[id]))
        assert tiers.worker.work()
        assert len(site.stored_files()) == 1

    @pytest.mark.slow
    @pytest.mark.parametrize("unit", ["datafile"])
    def test_what_is_restored_while_it_is_deleted_does_not_stay(self, site, archived, tiers, work):
        """The sweep ends what a killed deletion began, and holds no lock."""
        worker, chosen = tiers.worker, Selection(datafile_ids=[archived])
        text = "SELECT df.id, df.location FROM Datafile df"
        ((id, location),) = site.catalog("root").search(text)
        site.datastore().restore(chosen)
        (taken,) = worker.queue.take(worker.locks.owner, timedelta(seconds=60), 1)
        site.catalog().delete("Datafile", [id])
        tiers.levels.changed({location: site.dataset_ids[0]}, [location])
        assert worker.mover.restore_files({location: 3}) == {}
        worker.queue.restored(worker.locks.owner, taken)
        work()
        assert site.stored_files() == []
        assert [path for path in (site.folder / "archive").rglob("*") if path.is_file()] == []

    def test_what_was_deleted_before_it_was_asked_to_leave_is_forgotten(
        self, site, put, tiers, unit, work
    ):
        """Somebody asked for the archiving, and had found it, when another one deleted it."""
        stored = put("a", b"abc")
        work()
        site.datastore().delete(Selection(datafile_ids=[stored.id]))
        work()
        key = stored.location if unit == "datafile" else str(site.dataset_ids[0])
        tiers.worker.queue.request([Thing(key, site.dataset_ids[0])], Operation.ARCHIVE)
        for _ in range(10):
            begin_now(tiers)
            tiers.worker.work()
        assert tiers.levels.overview().under_way == []
        assert tiers.worker.queue.known([key]) == set()

    def test_a_clock_that_was_set_back_keeps_nobody_waiting(self, site, archived, tiers, work):
        """What was due when it was an hour later, is."""
        site.datastore().restore(Selection(datafile_ids=[archived]))
        begin_now(tiers, datetime.now(UTC) + timedelta(hours=1))
        assert not tiers.worker.work()
        tiers.worker.queue.recover()
        work()
        assert read(site, archived) == b"abc"


def begin_now(tiers, moment: datetime | None = None) -> None:
    """Have all that is queued begin at a moment."""
    due = moment or tiers.worker.queue.now() - timedelta(seconds=1)
    with database.writing(tiers.worker.queue._engine).begin() as connection:
        connection.execute(update(TierItem).where(TierItem.wanted.is_not(None)).values(due=due))


_ANOTHER_HOST = """
import sys
from datetime import timedelta
from datastore.tiers.locks import Locks
from datastore.tiers.queue import Queue
from datastore.tiers.states import Unit
from ijp.errors import DataNotOnlineError
from servicekit import database
engine = database.engine_for(sys.argv[1], "datastore")
queue = Queue(engine, Unit.DATASET, timedelta())
try:
    Locks(engine, queue, timedelta(seconds=60)).exclusive([7])
    print("locked")
except DataNotOnlineError:
    print("busy")
print(queue.recover())
"""


@pytest.mark.slow
def test_a_host_with_a_wrong_clock_takes_nothing_from_others(postgresql_url):
    """The database's clock counts, where several hosts use it."""
    engine = database.engine_for(postgresql_url, "datastore")
    database.upgrade(engine, "datastore")
    queue = Queue(engine, Unit.DATASET, timedelta())
    queue.request([Thing("7", 7)], Operation.WRITE)
    assert queue.take("elsewhere pid:[1]:1:00", timedelta(seconds=60), 1)
    with Locks(engine, queue, timedelta(seconds=60)).shared([7]):
        done = subprocess.run(
            ["faketime", "+2 hours", sys.executable, "-c", _ANOTHER_HOST, postgresql_url],
            capture_output=True,
            text=True,
        )
    assert done.stdout == "busy\n0\n", done.stderr
    engine.dispose()
