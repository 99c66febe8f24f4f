"""Jobs on archived data: they wait, visibly, until the data are back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from datastore.app import tiers_of
from datastore.tiers.making import Tiers
from ijp.datastore import DatastoreClient, DatastoreSession, Selection
from portal.model import JobRow
from portal.recalling import FAILED, WAITING
from servicekit.database import writing
from tests.portal_site import Portal, copy, running, with_own_facility

pytestmark = pytest.mark.slow

_ARCHIVE = """
[datastore.archive]
delay_seconds = 0
"""


@pytest.fixture
def portal(tmp_path: Path, installation_to_copy: Path) -> Iterator[Portal]:
    """A portal whose data service has an archive; no dispatcher and no worker runs by itself."""
    folder = tmp_path / "portal"
    copy(installation_to_copy, folder)
    settings_file = with_own_facility(folder)
    settings_file.write_text(settings_file.read_text() + _ARCHIVE)
    with running(folder, dispatcher=False) as made:
        yield made


@pytest.fixture
def tiers(portal: Portal) -> Tiers:
    found = tiers_of(portal.settings_file, portal.process.http)
    assert found is not None
    return found


@pytest.fixture
def work(tiers: Tiers) -> Callable[[], None]:
    """Does all that is due between the levels."""

    def work() -> None:
        while tiers.worker.work():
            pass

    return work


def as_root(portal: Portal) -> DatastoreSession:
    client = DatastoreClient("http://datastore.embedded/ids", portal.process.http)
    return client.session(portal.root.session_id)


@pytest.fixture
def archived(portal: Portal, work: Callable[[], None]) -> Callable[..., list[int]]:
    """Makes datasets that are in the archive only."""

    def archived(*names: str) -> list[int]:
        ids = [portal.dataset(name) for name in names]
        work()
        as_root(portal).archive(Selection(dataset_ids=ids))
        work()
        assert as_root(portal).status(Selection(dataset_ids=ids)) == "ARCHIVED"
        return ids

    return archived


@contextmanager
def dispatching(portal: Portal) -> Iterator[None]:
    portal.start()
    try:
        yield
    finally:
        portal.stop()


def wait_for_reason(portal: Portal, job: dict, text: str) -> dict:
    until = time.monotonic() + 60
    while text not in (found := portal.user().job(job["id"]))["reason"]:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def look_now(portal: Portal) -> None:
    """Not after the pause that grows."""
    with writing(portal.services.database).begin() as connection:
        connection.execute(update(JobRow).values(next_try_at=None))


@pytest.mark.slow
def test_a_job_waits_for_its_data_and_says_how_many_are_back(portal, archived, work, tiers):
    ids = archived("one", "two", "three")
    (job,) = portal.user().submit("work", dataset_ids=ids, one_job=True)
    with dispatching(portal):
        found = wait_for_reason(portal, job, WAITING)
        assert (found["state"], found["reason"]) == ("Staging", f"{WAITING} (0 of 3)")
        assert f"{WAITING} (0 of 3)" in [event["text"] for event in found["events"]]
        tiers.worker.work()
        look_now(portal)
        wait_for_reason(portal, job, "(1 of 3)")
        work()
        look_now(portal)
        portal.completed(job)


@pytest.mark.slow
def test_a_job_whose_data_cannot_be_restored_fails_with_the_reason(portal, archived, work):
    ids = archived("one")
    for path in (portal.folder / "archive").rglob("*.kept"):
        path.unlink()
    (job,) = portal.user().submit("work", dataset_ids=ids)
    with dispatching(portal):
        wait_for_reason(portal, job, WAITING)
        work()
        look_now(portal)
        found = portal.wait(job)
    assert found["state"] == "Failed"
    assert found["reason"].startswith(FAILED)
    assert "archive has nothing of it" in found["reason"]


@pytest.mark.slow
def test_a_job_that_waits_for_data_can_be_cancelled(portal, archived):
    ids = archived("one")
    (job,) = portal.user().submit("work", dataset_ids=ids)
    with dispatching(portal):
        wait_for_reason(portal, job, WAITING)
        portal.user().cancel(job["id"])
        assert portal.wait(job)["state"] == "Cancelled"


@pytest.mark.slow
def test_jobs_on_data_that_are_there_do_not_wait_for_others(portal, archived, work):
    (away,) = archived("one")
    there = portal.dataset("two")
    work()
    (waiting,) = portal.user().submit("work", dataset_ids=[away])
    (ready,) = portal.user().submit("work", dataset_ids=[there])
    with dispatching(portal):
        portal.completed(ready)
        assert portal.user().job(waiting["id"])["state"] == "Staging"


def test_the_dataset_page_shows_where_the_data_are_and_restores_them(portal, archived, work):
    (id,) = archived("one")
    browser = portal.browser()
    page = browser.get(f"/datasets/{id}").text
    assert "in the archive" in page
    assert f'action="/datasets/{id}/restore"' in page
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert browser.post(f"/datasets/{id}/restore").status_code == 400
    answer = browser.post(f"/datasets/{id}/restore", data={"csrf_token": token})
    assert answer.status_code == 303
    assert "being restored from the archive" in browser.get(f"/datasets/{id}").text
    work()
    assert "on disk" in browser.get(f"/datasets/{id}").text


def test_pictures_are_not_asked_for_by_looking_at_their_page(portal, work):
    id = portal.dataset("one", files={"a.png": b"\x89PNG\r\n\x1a\n"})
    work()
    browser = portal.browser()
    assert "inline=1" in browser.get(f"/datasets/{id}").text
    as_root(portal).archive(Selection(dataset_ids=[id]))
    work()
    assert "inline=1" not in browser.get(f"/datasets/{id}").text
    (file,) = portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {id}")
    assert browser.get(f"/datafiles/{file}/content?inline=1").status_code == 503
    assert as_root(portal).status(Selection(dataset_ids=[id])) == "ARCHIVED"


def test_the_job_page_shows_where_its_inputs_are(portal, archived):
    (id,) = archived("one")
    (job,) = portal.user().submit("work", dataset_ids=[id])
    page = portal.browser().get(f"/jobs/{job['id']}").text
    assert "in the archive" in page
    assert f'formaction="/jobs/{job["id"]}/restore"' in page


def test_foreign_data_cannot_be_asked_for(portal, archived):
    (id,) = archived("one")
    browser = portal.browser("ben")
    page = browser.get("/jobs").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = browser.post(f"/datasets/{id}/restore", data={"csrf_token": token})
    assert answer.status_code == 404


_LATE = """#!/usr/bin/env python3
import pathlib, time
from ijp.job import run

def main(job):
    print("started", flush=True)
    while not pathlib.Path("{signal}").exists():
        time.sleep(0.05)
    for dataset in job.datasets:
        for path in job.fetch(dataset).iterdir():
            print(path.read_text())

run(main)
"""


@pytest.mark.slow
def test_a_running_job_waits_for_data_that_went_meanwhile(portal, work, tmp_path):
    id = portal.dataset("one", files={"a.txt": b"hello"})
    work()
    signal = tmp_path / "signal"
    program = portal.services.settings.programs_folder / "work"
    assert program.is_relative_to(portal.folder)
    program.write_text(_LATE.format(signal=signal))
    (job,) = portal.user().submit("work", dataset_ids=[id])

    def output() -> bytes:
        return b"".join(portal.user().output(job["id"]))

    with dispatching(portal):
        until = time.monotonic() + 60
        while b"started" not in output():
            assert time.monotonic() < until
            time.sleep(0.05)
        as_root(portal).archive(Selection(dataset_ids=[id]))
        work()
        assert as_root(portal).status(Selection(dataset_ids=[id])) == "ARCHIVED"
        signal.touch()
        while as_root(portal).status(Selection(dataset_ids=[id])) == "ARCHIVED":
            assert time.monotonic() < until
            time.sleep(0.05)
        work()
        portal.completed(job)
    assert output() == b"started\nhello\n"
