"""What a crash leaves between storage and catalog, and what the sweep makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from datastore.app import sweep_of
from datastore.digests import Checked
from datastore.model import FileDigest, LiveOwner, ResumableUpload, UnsettledFile
from datastore.unsettled import Unsettled
from ijp.catalog import CatalogSession
from ijp.datastore import Selection
from ijp.errors import InternalError
from servicekit import database

pytestmark = pytest.mark.slow

LATER = datetime.now(UTC) + timedelta(hours=2)


class Crash(BaseException):
    """The process ends here: nothing is caught or cleaned up."""


@pytest.fixture
def crash(monkeypatch):
    """Lets a method end the process when it is called."""

    def crash(owner: type, name: str) -> None:
        def ends(*_: object, **__: object) -> None:
            raise Crash

        monkeypatch.setattr(owner, name, ends)

    yield crash
    monkeypatch.undo()


@pytest.fixture
def sweep(site, monkeypatch):
    def sweep(now: datetime | None = LATER):
        monkeypatch.undo()
        return sweep_of(site.settings_file, site.process.http).run(now)

    return sweep


def crashed_put(put) -> None:
    with pytest.raises(Crash):
        put("a", b"abc")


def test_a_file_that_was_stored_but_not_registered_is_removed(site, put, crash, sweep):
    put("registered", b"def")
    crash(CatalogSession, "create")
    crashed_put(put)
    assert len(site.stored_files()) == 2
    swept = sweep()
    assert (len(swept.removed), swept.kept, swept.unclear) == (1, [], [])
    assert [path.read_bytes() for path in site.stored_files()] == [b"def"]
    assert sweep().removed == []


def test_only_what_was_of_a_process_that_gave_no_sign_of_life_for_minutes(site, put, crash, sweep):
    put("registered", b"def")
    crash(CatalogSession, "create")
    crashed_put(put)
    assert sweep(None).removed == []
    assert sweep(datetime.now(UTC) + timedelta(minutes=2)).removed == []
    assert len(site.stored_files()) == 2
    assert len(sweep(datetime.now(UTC) + timedelta(minutes=4)).removed) == 1


def test_what_a_living_process_left_is_looked_at_after_an_hour(site, put, crash, sweep):
    put("registered", b"def")
    crash(CatalogSession, "create")
    crashed_put(put)

    def sweep_in(minutes: int):
        moment = datetime.now(UTC) + timedelta(minutes=minutes)
        engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
        with database.writing(engine).begin() as connection:
            connection.execute(update(LiveOwner).values(until=moment))
        engine.dispose()
        return sweep(moment)

    assert sweep_in(59).removed == []
    assert len(sweep_in(61).removed) == 1


def test_an_upload_that_was_taken_for_dead_is_not_registered(site, put, monkeypatch):
    """Its process was stopped for so long that the sweep has judged its file."""
    storage = type(site_storage(site))
    upload = storage.upload

    def slowly(self, location):
        engine = site.process.app("datastore").extensions["datastore"].depot._unsettled._engine
        Unsettled(engine).settled([location])
        return upload(self, location)

    monkeypatch.setattr("datastore.unsettled.LEASE", timedelta())
    monkeypatch.setattr(storage, "upload", slowly)
    with pytest.raises(InternalError, match="away for too long"):
        put("a", b"abc")
    assert site.catalog().search("SELECT df.id FROM Datafile df") == []
    assert site.stored_files() == []


def test_where_no_datafile_can_be_seen_at_all_nothing_is_removed(site, put, crash, sweep):
    crash(CatalogSession, "create")
    crashed_put(put)
    assert len(sweep().unclear) == 1
    assert len(site.stored_files()) == 1


def test_a_file_that_was_registered_is_kept(site, put, crash, sweep):
    """Never a file that the catalog knows."""
    crash(Unsettled, "stored")
    crashed_put(put)
    swept = sweep()
    assert (len(swept.kept), swept.removed) == (1, [])
    (id,) = site.catalog().search("SELECT df.id FROM Datafile df")
    with site.datastore().get_data(Selection(datafile_ids=[id])) as download:
        assert b"".join(download.blocks()) == b"abc"


def test_what_was_deleted_in_the_catalog_only_is_removed(site, put, crash, sweep):
    put("kept", b"def")
    stored = put("a", b"abc")
    crash(type(site_storage(site)), "delete")
    with pytest.raises(Crash):
        site.datastore().delete(Selection(datafile_ids=[stored.id]))
    assert len(site.stored_files()) == 2
    assert sweep().removed == [stored.location]
    assert [path.read_bytes() for path in site.stored_files()] == [b"def"]


def site_storage(site):
    return site.process.app("datastore").extensions["datastore"].sender._storage


def test_a_file_that_the_reader_cannot_see_is_kept(site, put, crash, monkeypatch):
    """An account without the rights it needs costs space, never data."""
    put("seen", b"x", user="ben")
    crash(Unsettled, "stored")
    crashed_put(put)
    monkeypatch.undo()
    (site.folder / "secrets" / "ben").write_text(site.passwords["ben"])
    text = site.settings_file.read_text().replace(
        'username = "root", password_file = "secrets/root"',
        'username = "ben", password_file = "secrets/ben"',
    )
    site.settings_file.write_text(text)
    swept = sweep_of(site.settings_file, site.process.http).run(LATER)
    assert (len(swept.unclear), swept.removed) == (1, [])
    assert len(site.stored_files()) == 2


def test_without_a_reader_everything_unclear_is_kept(site, put, crash, monkeypatch):
    crash(CatalogSession, "create")
    crashed_put(put)
    monkeypatch.undo()
    lines = site.settings_file.read_text().splitlines()
    lines = [line for line in lines if not line.startswith("reader")]
    site.settings_file.write_text("\n".join(lines))
    swept = sweep_of(site.settings_file, site.process.http).run(LATER)
    assert (len(swept.unclear), len(site.stored_files())) == (1, 1)


def test_an_unfinished_file_is_removed(site, put, sweep):
    """The process is killed in the middle of an upload."""
    folder = site.folder / "data" / "1" / "1"
    folder.mkdir(parents=True)
    location = "1/1/00000000-0000-4000-8000-000000000000"
    put("a", b"abc")
    part = folder / ".00000000-0000-4000-8000-000000000000.part"
    part.write_bytes(b"abc")
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    Unsettled(engine).note([(location, site.dataset_ids[0])])
    engine.dispose()
    assert sweep().removed == [location]
    assert not part.exists()
    assert len(site.stored_files()) == 1


def test_the_command(site, put, crash, monkeypatch):
    crash(CatalogSession, "create")
    crashed_put(put)
    monkeypatch.undo()
    put("b", b"def")
    (path,) = (path for path in site.stored_files() if path.read_bytes() == b"abc")
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(path, (long_ago, long_ago))
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    with database.writing(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE unsettled_file SET since = '2026-01-01 00:00:00.000000'")
    engine.dispose()
    command = [Path(sys.executable).with_name("ijpd"), "datastore", "sweep"]
    done = subprocess.run(
        [*command, "--settings", site.settings_file], capture_output=True, text=True, check=True
    )
    location = str(path.relative_to(site.folder / "data"))
    assert done.stdout == f"removed {location}\n1 removed, 0 unclear\n"
    assert not path.exists()


def test_notes_are_kept_once_in_either_database(engine_of):
    engine = engine_of("datastore")
    unsettled = Unsettled(engine)
    unsettled.note([("1/1/a", 1), ("1/1/b", 1)])
    unsettled.note([("1/1/b", 1), ("1/1/c", 2)])
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(UnsettledFile)) == 3
    assert unsettled.left() == []
    unsettled.settled(["1/1/a", "1/1/c"])
    assert [one.location for one in unsettled.left(LATER)] == ["1/1/b"]


def test_what_was_sent_in_pieces_waits_for_its_sender(engine_of):
    """It has arrived, and its process was killed before it was registered."""
    engine = engine_of("datastore")
    unsettled = Unsettled(engine)
    unsettled.note([("1/1/a", 1)])
    row = {
        "id": "a",
        "user_name": "ana",
        "investigation_id": 1,
        "dataset_id": 1,
        "length": 3,
        "told": "{}",
        "location": "1/1/a",
        "expires": LATER,
    }
    with database.writing(engine).begin() as connection:
        connection.execute(insert(ResumableUpload).values(**row))
    for minutes, waits in ((-1, True), (1, False)):
        (one,) = unsettled.left(LATER + timedelta(minutes=minutes))
        assert (one.location, one.waits) == ("1/1/a", waits)


def test_many_are_forgotten_at_once_and_their_digests_kept(engine_of):
    """More than fit into a statement."""
    engine = engine_of("datastore")
    unsettled = Unsettled(engine)
    unsettled.note((f"1/1/{number}", 1) for number in range(1201))
    checked = Checked(3, 0x352441C2, "ba")
    unsettled.all_stored({f"1/1/{number}": checked for number in range(1200)})
    assert [one.location for one in unsettled.left(LATER)] == ["1/1/1200"]
    unsettled.removed([f"1/1/{number}" for number in range(1, 1201)])
    assert unsettled.left(LATER) == []
    with engine.connect() as connection:
        (found,) = connection.execute(select(FileDigest.__table__))
    assert (found.location, Checked(found.size, found.crc32, found.sha256)) == ("1/1/0", checked)
