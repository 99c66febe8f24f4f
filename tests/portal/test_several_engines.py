"""A portal with two real engines: each job has its own, and one that is away hinders no other."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ijp.errors import EngineError
from portal import installation
from portal.model import JobRow
from tests.portal_site import copy, running

pytestmark = pytest.mark.slow

SECOND = """
[portal.engines.second]
kind = "local"

[portal.engines.second.settings]
slots = 2
grace_seconds = 0.5
"""


def with_second(source, folder):
    """A copy of an installation with a second engine."""
    copy(source, folder)
    settings_file = folder / installation.SETTINGS_FILE
    settings_file.write_text(settings_file.read_text() + SECOND)
    return folder


@pytest.fixture
def portal(installation_to_copy, tmp_path):
    with running(with_second(installation_to_copy, tmp_path / "two")) as portal:
        yield portal


def submitted(portal, engine, *arguments):
    (job,) = portal.user().submit("tool", arguments=arguments, engine=engine)
    assert job["engine"] == engine
    return job


def until(portal, job, words):
    """Wait until the job's reason has these words; gives the job."""
    limit = time.monotonic() + 20
    while words not in (found := portal.user().job(job["id"]))["reason"]:
        assert time.monotonic() < limit, found
        time.sleep(0.05)
    return found


def known_to(portal, job):
    """The engines that know a job's mark."""
    mark = job["publicId"]
    return [name for name, one in portal.services.engines.items() if one.find([mark])]


def test_each_job_is_started_held_released_and_cancelled_where_it_is(portal):
    jobs = {name: submitted(portal, name, "steps", "600") for name in ("local", "second")}
    for name, job in jobs.items():
        portal.wait(job, "Executing")
        assert known_to(portal, job) == [name]
    fillers = [submitted(portal, "second", "steps", "600") for _ in range(2)]
    waiting = fillers[-1]
    portal.wait(waiting, "Queued")
    portal.user().act("hold", [waiting["id"]])
    portal.wait(waiting, "Held")
    portal.user().act("release", [waiting["id"]])
    portal.wait(waiting, "Queued")
    for job in (*jobs.values(), *fillers):
        portal.user().cancel(job["id"])
    for job in (*jobs.values(), *fillers):
        assert portal.wait(job)["state"] == "Cancelled"
    for name in ("local", "second"):
        portal.completed(submitted(portal, name, "steps", "0"))


def test_engine_that_hangs_and_then_fails_hinders_no_other(portal, monkeypatch):
    job = submitted(portal, "second", "steps", "600")
    portal.wait(job, "Executing")
    let_go = threading.Event()

    def hang(*_):
        let_go.wait(30)
        raise EngineError("no answer")

    away = portal.background._services.engines["second"]
    for name in ("status", "find", "submit_many", "cancel"):
        monkeypatch.setattr(away, name, hang)
    portal.background.ask_engines()
    later = submitted(portal, "second", "steps", "0")
    portal.completed(submitted(portal, "local", "steps", "0"))
    assert portal.user().job(later["id"])["state"] == "Staging"
    let_go.set()
    found = until(portal, job, "the batch system second does not answer")
    assert found["state"] == "Unknown"
    portal.user().cancel(job["id"])
    portal.completed(submitted(portal, "local", "steps", "0"))
    monkeypatch.undo()
    assert portal.wait(job)["state"] == "Cancelled"
    with Session(portal.services.database) as transaction, transaction.begin():
        transaction.execute(update(JobRow).values(next_try_at=None))
    portal.completed(later)


def test_jobs_of_an_engine_that_is_gone_say_so_and_can_be_ended(installation_to_copy, tmp_path):
    folder = with_second(installation_to_copy, tmp_path / "two")
    settings_file = folder / installation.SETTINGS_FILE
    with running(folder) as portal:
        running_job = submitted(portal, "second", "steps", "600")
        portal.wait(running_job, "Executing")
        portal.stop()
        new = submitted(portal, "second", "steps", "0")
        settings_file.write_text(settings_file.read_text().replace(SECOND, ""))
        portal.start()
        moved = portal.completed(new)
        assert moved["engine"] == "local"
        assert "'second' is not configured any more" in moved["engineReason"]
        until(portal, running_job, "'second' is not configured any more")
        portal.user().cancel(running_job["id"])
        ended = portal.wait(running_job)
        assert ended["state"] == "Cancelled"
        assert any("nobody could tell it to end" in one["text"] for one in ended["events"])


def test_rows_of_before_belong_to_the_default_engine(portal):
    portal.stop()
    job = submitted(portal, "local", "steps", "0")
    with Session(portal.services.database) as transaction, transaction.begin():
        transaction.execute(update(JobRow).values(engine=""))
    portal.start()
    portal.completed(job)
    with Session(portal.services.database) as transaction:
        assert transaction.scalar(select(JobRow.engine)) == ""
    assert portal.user().job(job["id"])["engine"] == "local"
