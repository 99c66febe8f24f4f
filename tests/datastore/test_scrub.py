"""What is stored is compared with what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from datastore import settings
from datastore.app import scrub_of
from datastore.cli import datastore
from datastore.model import FileDigest
from datastore.scrub import Scrub
from ijp.datastore import Selection
from servicekit import database


@pytest.fixture
def scrub(site):
    def scrub(days: float = 0, **options):
        work = scrub_of(site.settings_file, site.process.http)
        return work.run(datetime.now(UTC) - timedelta(days=days), **options)

    return scrub


def test_what_is_as_it_was(put, scrub):
    put("a", b"abc")
    put("b", bytes(5000))
    found = scrub()
    assert (found.good, found.bytes, found.faults) == (2, 5003, {})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            b"abd",
            "it has the SHA-256 a52d159f262b2c6d",
        ),
        (b"abcd", "it has 4 bytes, and had 3"),
        (None, "there is nothing in the storage"),
    ],
)
def test_what_is_not(site, put, scrub, content, fault):
    put("good", b"x")
    location = put("a", b"abc").location
    path = site.folder / "data" / location
    path.unlink() if content is None else path.write_bytes(content)
    told = []
    found = scrub(tell=lambda *one: told.append(one))
    assert found.good == 1
    assert list(found.faults) == [location]
    assert found.faults[location].startswith(fault)
    assert told == list(found.faults.items())


def test_a_run_that_was_broken_off_goes_on(site, put, scrub, monkeypatch):
    for name in "abc":
        put(name, name.encode())
    real, seen = Scrub._fault, []

    def dies(self, row, found):
        seen.append(row.location)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(self, row, found)

    begun = datetime.now(UTC)
    work = scrub_of(site.settings_file, site.process.http)
    with monkeypatch.context() as patched:
        patched.setattr(Scrub, "_fault", dies)
        with pytest.raises(KeyboardInterrupt):
            work.run(begun)
    assert work.run(begun).good == 2


def test_what_was_compared_lately_is_left_out(put, scrub):
    put("a", b"abc")
    assert scrub(days=1).good == 0


def test_what_was_deleted_is_not_looked_for(site, put, scrub):
    stored = put("a", b"abc")
    site.datastore().delete(Selection(datafile_ids=[stored.id]))
    assert scrub().faults == {}


def test_the_command_says_what_is_wrong(site, put):
    location = put("a", b"abc").location
    (site.folder / "data" / location).write_bytes(b"abd")
    words = ["scrub", "--settings", str(site.settings_file), "--days", "0"]
    done = CliRunner().invoke(datastore, words)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0].startswith(f"{location}: it has the SHA-256")
    assert done.stdout.endswith("0 files as they were (3 bytes read), 1 not\n")


def without_records(site) -> None:
    """As a power cut leaves it: the last exchange of a put was lost."""
    engine = database.engine_for(settings.read(site.settings_file).database_url, "datastore")
    with database.writing(engine).begin() as connection:
        connection.execute(delete(FileDigest))
    engine.dispose()


def test_what_has_no_record_is_recorded_if_the_catalog_agrees(site, put, scrub):
    location = put("a", b"abc").location
    put("b", b"")
    without_records(site)
    found = scrub()
    assert (found.good, found.recorded, found.bytes, found.faults) == (0, 2, 3, {})
    assert scrub(days=1).recorded == 0
    (site.folder / "data" / location).write_bytes(b"abd")
    assert list(scrub().faults) == [location]


def test_what_has_no_record_and_is_not_what_the_catalog_says_is_a_fault(site, put, scrub):
    location = put("a", b"abc").location
    without_records(site)
    (site.folder / "data" / location).write_bytes(b"abd")
    told = []
    for _ in range(2):
        found = scrub(tell=lambda *one: told.append(one))
        assert found.recorded == 0
        assert found.faults == {
            location: "it has the CRC-32 ab40d461, and the catalog has 352441c2; "
            "there is no record of what it was"
        }
    assert told == list(found.faults.items()) * 2


def test_what_has_neither_record_nor_checksum_is_counted(site, put, scrub):
    stored = put("a", b"abc")
    site.catalog("root").update("Datafile", stored.id, checksum=None)
    without_records(site)
    found = scrub()
    assert (found.recorded, found.unknown, found.faults) == (0, 1, {})


def test_what_only_the_catalog_has_gets_no_record(site, put, scrub):
    """Of a location that was not chosen for the dataset, and of one with nothing at it."""
    foreign = put("a", b"abc", user="ben").location
    gone = put("b", b"xyz")
    without_records(site)
    (site.folder / "data" / gone.location).unlink()
    site.catalog("root").create(
        "Datafile",
        name="stolen",
        dataset={"id": site.dataset_ids[0]},
        location=foreign,
        checksum="0",
    )
    found = scrub()
    assert (found.recorded, found.faults) == (1, {})


def test_the_command_says_what_it_has_recorded(site, put):
    put("a", b"abc")
    without_records(site)
    words = ["scrub", "--settings", str(site.settings_file), "--days", "0"]
    done = CliRunner().invoke(datastore, words)
    assert done.exit_code == 0
    assert done.stdout == (
        "0 files as they were (3 bytes read), 1 recorded now, as the catalog has them, 0 not\n"
    )
