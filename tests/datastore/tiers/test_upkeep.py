"""Making space, checking the archive, and the commands for both."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from datastore.app import tiers_of
from datastore.storages.local import LocalStorage
from datastore.tiers.model import Base, TierItem
from datastore.tiers.queue import Queue
from datastore.tiers.states import Unit
from datastore.tiers.tidier import Tidier
from ijp.datastore import Selection
from ijp.errors import UnavailableError
from servicekit import database

_ARCHIVE = """
[datastore.archive]
delay_seconds = 0
start_archiving_bytes = 1000
stop_archiving_bytes = 600
check_datasets = 1
unit = "{unit}"
"""


@pytest.fixture(params=["dataset", pytest.param("datafile", marks=pytest.mark.slow)])
def unit(request) -> str:
    return request.param


@pytest.fixture
def site(facility_site, unit):
    return facility_site(more=_ARCHIVE.format(unit=unit))


@pytest.fixture
def tiers(site):
    return tiers_of(site.settings_file, site.process.http)


def work(tiers) -> None:
    while tiers.worker.work():
        pass


def used_long_ago(site, dataset_id: int) -> None:
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    with database.writing(engine).begin() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=9)
        own = update(TierItem).where(TierItem.dataset_id == dataset_id)
        connection.execute(own.values(touched=long_ago))
    engine.dispose()


def test_the_longest_unused_data_make_space(site, put, tiers):
    put("a", bytes(500))
    kept = put("b", bytes(300), user="ben")
    work(tiers)
    assert tiers.tidier.run() == 0
    old = put("c", bytes(500))
    work(tiers)
    used_long_ago(site, site.dataset_ids[0])
    assert tiers.tidier.run() >= 1
    assert tiers.tidier.run() == 0
    work(tiers)
    root = site.datastore("root")
    assert root.status(Selection(datafile_ids=[kept.id])) == "ONLINE"
    assert sum(path.stat().st_size for path in site.stored_files()) <= 600
    root.restore(Selection(datafile_ids=[old.id]))
    work(tiers)
    assert root.status(Selection(datafile_ids=[old.id])) == "ONLINE"


def test_what_was_there_before_the_archive_is_written_and_goes(facility_site, unit):
    """An archive is put behind a storage that is in use."""
    site = facility_site()
    stored = site.datastore().put(
        [bytes(2000)],
        name="a",
        dataset_id=site.dataset_ids[0],
        datafile_format_id=site.datafile_format_id,
    )
    text = site.settings_file.read_text() + _ARCHIVE.format(unit=unit)
    site.settings_file.write_text(text)
    site.process._apps.clear()
    tiers = tiers_of(site.settings_file, site.process.http)
    assert tiers.tidier.run() == 1
    work(tiers)
    assert site.stored_files() == []
    chosen = Selection(datafile_ids=[stored.id])
    site.datastore().restore(chosen)
    work(tiers)
    with site.datastore().get_data(chosen) as download:
        assert b"".join(download.blocks()) == bytes(2000)


class TestChecks:
    """Each zip in the archive is compared with the catalog."""

    @pytest.fixture
    def unit(self) -> str:
        return "dataset"

    @pytest.fixture
    def kept(self, site, put, tiers) -> list[Path]:
        """The zips of both datasets."""
        put("a", b"abc")
        put("b", b"defg")
        put("c", b"hij", user="ben")
        work(tiers)
        return [site.folder / "archive" / f"{id}.kept" for id in site.dataset_ids]

    def test_what_is_as_it_should_be(self, kept, tiers):
        assert tiers.checker.check_all() == []

    def test_it_goes_on_where_it_was_and_begins_anew_at_the_end(self, site, kept, tiers):
        for path in kept:
            path.unlink()
        first, second = site.dataset_ids
        found = [[fault.dataset_id for fault in tiers.checker.run()] for _ in range(4)]
        assert found == [[first], [second], [], [first]]

    def test_what_is_wrong_is_named(self, site, kept, tiers):
        entries = {}
        with zipfile.ZipFile(kept[0]) as packed:
            for one in packed.infolist():
                entries[one.filename] = (one.comment, packed.read(one))
        with zipfile.ZipFile(kept[0], "w") as packed:
            for name, (comment, content) in entries.items():
                info = zipfile.ZipInfo(name)
                info.comment = comment
                if name.endswith("a"):
                    packed.writestr(info, content[::-1])
        texts = [str(fault) for fault in tiers.checker.check_all()]
        dataset = f"Dataset {site.dataset_ids[0]}"
        assert texts[1:] == [
            f"{dataset} datafile a checksum wrong",
            f"{dataset} datafile b not found in the zip",
        ]
        assert texts[0].startswith(f"{dataset} has ")

    def test_a_damaged_zip_is_one_fault(self, site, kept, tiers):
        whole = kept[1].read_bytes()
        kept[1].unlink()
        kept[1].write_bytes(whole[:40])
        faults = [str(fault) for fault in tiers.checker.check_all()]
        assert faults[-1].endswith("is damaged")

    @pytest.mark.slow
    def test_the_commands(self, site, kept, tiers):
        def run(*words: str) -> tuple[int, str]:
            command = [Path(sys.executable).with_name("ijpd"), "datastore", *words]
            done = subprocess.run(
                [*command, "--settings", site.settings_file],
                capture_output=True,
                text=True,
                check=False,
            )
            return done.returncode, done.stdout

        assert run("check") == (0, "")
        kept[0].unlink()
        id = site.dataset_ids[0]
        assert run("check") == (1, f"Dataset {id} not found in the archive\n")
        assert run("tidy") == (0, "0 asked for\n")
        site.datastore("root").archive(Selection(dataset_ids=[id]))
        with tiers.worker.locks.shared([id]):
            code, out = run("queue")
        assert code == 0
        assert out.splitlines() == [
            "ARCHIVE\tfor simple/root\t0 running\t1 waiting",
            f"ARCHIVE\t{id}",
            f"LOCK\tdataset {id}\tshared\t1",
        ]

    def test_what_the_archive_has_lost_is_not_dropped(self, site, kept, tiers):
        kept[0].unlink()
        site.datastore("root").archive(Selection(dataset_ids=site.dataset_ids))
        work(tiers)
        assert kept[0].exists()
        assert tiers.checker.check_all() == []

    def test_what_the_catalog_has_more_than_the_archive_is_not_dropped(self, site, kept, tiers):
        """A Datafile was given the dataset and its location by other means."""
        location = f"{site.investigation_ids[0]}/{site.dataset_ids[0]}/"
        location += "00000000-0000-4000-8000-00000000000a"
        with tiers.worker.mover.storage.upload(location) as upload:
            upload.write(b"other")
            upload.commit()
        root = site.catalog("root")
        dataset = {"id": site.dataset_ids[0]}
        id = root.create("Datafile", name="d", dataset=dataset, location=location, fileSize=5)
        chosen = Selection(dataset_ids=[site.dataset_ids[0]])
        site.datastore("root").archive(chosen)
        work(tiers)
        site.datastore("root").restore(chosen)
        work(tiers)
        with site.datastore("root").get_data(Selection(datafile_ids=[id])) as download:
            assert b"".join(download.blocks()) == b"other"


class TestChecksOfFiles:
    """Each file in the archive is compared with the catalog."""

    @pytest.fixture
    def unit(self) -> str:
        return "datafile"

    @pytest.fixture
    def kept(self, site, put, tiers) -> list[Path]:
        """The copies of two files of one dataset and one of the other."""
        stored = [put("a", b"abc"), put("b", b"defg"), put("c", b"hij", user="ben")]
        work(tiers)
        return [site.folder / "archive" / f"{one.location}.kept" for one in stored]

    def test_what_is_as_it_should_be(self, kept, tiers):
        assert tiers.checker.check_all() == []

    def test_what_is_wrong_is_named(self, site, kept, tiers):
        kept[0].unlink()
        for path, content in zip(kept[1:], (b"gfed", b"hi"), strict=True):
            path.unlink()
            path.write_bytes(content)
        first, second = (f"Dataset {id}" for id in site.dataset_ids)
        assert sorted(str(fault) for fault in tiers.checker.check_all()) == [
            f"{first} datafile a the archive has nothing of it",
            f"{first} datafile b checksum wrong",
            f"{second} datafile c checksum wrong",
            f"{second} datafile c file size wrong",
            f"{second} datafile c has 2 of 3 bytes in the archive",
        ]

    def test_it_goes_on_where_it_was(self, site, kept, tiers):
        for path in kept:
            path.unlink()
        first, second = site.dataset_ids
        found = [[fault.dataset_id for fault in tiers.checker.run()] for _ in range(4)]
        assert found == [[first, first], [second], [], [first, first]]

    def test_an_archive_that_is_away_is_no_fault_of_the_files(self, site, kept, tiers):
        (site.folder / "archive").rename(site.folder / "unmounted")
        with pytest.raises(UnavailableError):
            tiers.checker.run()
        (site.folder / "unmounted").rename(site.folder / "archive")
        assert tiers.checker.check_all() == []

    def test_what_was_deleted_in_the_catalog_is_left_out(self, site, kept, put, tiers):
        stored = put("d", b"x")
        work(tiers)
        site.catalog().delete("Datafile", [stored.id])
        assert tiers.checker.check_all() == []


@pytest.mark.slow
def test_the_tidier_keeps_nothing_of_what_it_lists(tmp_path):
    """Its memory does not grow with the files: a hundred bytes for each would be 900 kB."""
    few, many = (peak_of_tidying(tmp_path / f"{count}", count) for count in (1000, 10_000))
    assert many - few < 900_000


def peak_of_tidying(folder: Path, count: int) -> int:
    """Bytes of memory that it takes to look at files, and to ask for half of them."""
    storage = LocalStorage({}, folder / "data")
    engine = database.engine_for(f"sqlite:///{folder}/datastore.db", "datastore")
    Base.metadata.create_all(database.writing(engine))
    queue = Queue(engine, Unit.DATAFILE, timedelta())
    same = {"in_main": True, "in_archive": True, "unwritten": False, "touched": queue.now()}
    with database.writing(engine).begin() as connection:
        for dataset_id in range(count // 1000):
            place = folder / "data" / "1" / f"{dataset_id}"
            place.mkdir(parents=True)
            names = [f"00000000-0000-4000-8000-{number:012}" for number in range(1000)]
            for name in names:
                (place / name).write_bytes(b"x")
            rows = [{"key": f"1/{dataset_id}/{name}", "dataset_id": dataset_id} for name in names]
            connection.execute(insert(TierItem), [{**row, **same} for row in rows])
    tidier = Tidier(queue, storage, count, count // 2)
    tracemalloc.start()
    try:
        assert tidier.run() == count // 2
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        engine.dispose()
