"""What is stored is compared with what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from datastore.app import scrub_of
from datastore.cli import datastore
from datastore.scrub import Scrub
from ijp.datastore import Selection


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
