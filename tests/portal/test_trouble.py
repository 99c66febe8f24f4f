"""When something that jobs need is away: no job is lost, and its user reads why it waits."""

from __future__ import annotations

import errno
import threading
import time

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from batch.engines.local import LocalEngine
from ijp.errors import BadRequestError, EngineError, UnavailableError
from portal import job_folder
from portal.model import JobRow
from portal.moments import now
from portal.provenance_record import ProvenanceRecord

pytestmark = pytest.mark.slow


class Trouble:
    """A method that fails until it is mended; then it is what it was."""

    def __init__(self, monkeypatch, owner, name, error) -> None:
        self.mended = threading.Event()
        self.calls = 0
        real = getattr(owner, name)

        def method(*arguments, **given):
            self.calls += 1
            if not self.mended.is_set():
                raise error
            return real(*arguments, **given)

        monkeypatch.setattr(owner, name, method)


def until(portal, job, words):
    """Wait until the job's reason has these words; gives the job."""
    limit = time.monotonic() + 20
    while words not in (found := portal.user().job(job["id"]))["reason"]:
        assert time.monotonic() < limit, found
        time.sleep(0.05)
    return found


def try_now(portal):
    """Let pauses be over."""
    with Session(portal.services.database) as transaction, transaction.begin():
        transaction.execute(update(JobRow).values(next_try_at=now()))


def test_batch_system_that_does_not_answer_delays_the_start(portal, monkeypatch):
    trouble = Trouble(monkeypatch, LocalEngine, "submit_many", EngineError("no answer"))
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    found = until(portal, job, "tried again: no answer")
    assert found["state"] == "Staging"
    trouble.mended.set()
    try_now(portal)
    portal.completed(job)


def test_batch_system_that_stays_away_fails_the_job_in_the_end(portal, monkeypatch):
    object.__setattr__(portal.background._services.settings, "retry_seconds", 0)
    Trouble(monkeypatch, LocalEngine, "submit_many", EngineError("no answer"))
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    until(portal, job, "no answer")
    try_now(portal)
    done = portal.wait(job)
    assert (done["state"], done["reason"]) == ("Failed", "it could not be started: no answer")


def test_spec_that_no_engine_takes_fails_at_once(portal, monkeypatch):
    Trouble(monkeypatch, LocalEngine, "_row", BadRequestError("too many cores"))
    (job,) = portal.user().submit("tool")
    done = portal.wait(job)
    assert (done["state"], done["reason"]) == ("Failed", "it could not be started: too many cores")


def test_full_disk_delays_the_start_and_is_told(portal, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    trouble = Trouble(monkeypatch, job_folder, "prepare", full)
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    until(portal, job, "No space left on device")
    trouble.mended.set()
    try_now(portal)
    portal.completed(job)


def test_batch_system_that_falls_silent_makes_jobs_unknown_and_back(portal, monkeypatch):
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    trouble = Trouble(monkeypatch, LocalEngine, "status", EngineError("no answer"))
    (other,) = portal.user("ben").submit("tool", arguments=["steps", "0"])
    found = until(portal, job, "does not answer")
    assert found["state"] == "Unknown"
    trouble.mended.set()
    portal.background.ask_engines()
    portal.wait(job, "Executing")
    portal.completed(other, user="ben")


def test_job_that_the_batch_system_forgot_is_lost_after_a_while(portal, monkeypatch):
    """B16: absence is not success, and not for ever either."""
    object.__setattr__(portal.background._services.settings, "lost_after_seconds", 0.3)
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    monkeypatch.setattr(LocalEngine, "status", lambda *_: {})
    for _ in range(3):
        portal.background.ask_engines()
        time.sleep(0.4)
    done = portal.wait(job)
    assert done["state"] == "Failed"
    assert done["reason"].startswith("lost:")


def test_catalog_that_is_away_delays_the_end_only(portal, monkeypatch):
    error = UnavailableError("the catalog does not answer")
    trouble = Trouble(monkeypatch, ProvenanceRecord, "write", error)
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source])
    found = until(portal, job, "recording its results waits: the catalog does not answer")
    assert found["state"] not in ("Completed", "Failed")
    assert found["exitCode"] == 0
    trouble.mended.set()
    try_now(portal)
    portal.completed(job)


def test_many_users_take_turns(make_portal):
    """A thousand jobs of one do not keep the one job of another waiting."""
    portal = make_portal(dispatcher=False)
    for _ in range(40):
        portal.user().submit("tool", arguments=["steps", "0"])
    (late,) = portal.user("ben").submit("tool", arguments=["steps", "0"])
    portal.start()
    portal.completed(late, user="ben")
    waiting = portal.user().jobs(state="Staging,Queued,Executing")["jobs"]
    assert len(waiting) > 10


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_list_is_paged_without_gaps_or_repetitions(make_portal, limit):
    portal = make_portal(dispatcher=False)
    ids = [portal.user().submit("tool")[0]["id"] for _ in range(7)]
    portal.user("ben").submit("tool")
    found, after = [], None
    while True:
        page = portal.user().jobs(limit=limit, **({"after": after} if after else {}))
        found += [one["id"] for one in page["jobs"]]
        if (after := page["next"]) is None:
            break
    assert found == ids[::-1]


def test_list_is_filtered(make_portal):
    portal = make_portal(dispatcher=False)
    (one,) = portal.user().submit("tool")
    (other,) = portal.user().submit("missing")
    portal.user().cancel(other["id"])

    def listed(**filters):
        return [job["id"] for job in portal.user().jobs(**filters)["jobs"]]

    assert listed(state="Cancelled") == [other["id"]]
    assert listed(state="Staging,Queued") == [one["id"]]
    assert listed(type="missing") == [other["id"]]
    assert listed(text="TOO") == [one["id"]]
    assert listed(text="%") == []
    assert listed(text=one["publicId"]) == [one["id"]]
    with pytest.raises(BadRequestError, match="Perhaps"):
        listed(state="Perhaps")


def test_other_users_jobs_are_for_administrators(make_portal):
    portal = make_portal(dispatcher=False)
    (job,) = portal.user().submit("tool")
    for user in ("*", "simple/ana"):
        answer = portal.app.test_client().get(
            f"/api/v1/jobs?user={user}",
            headers={"Authorization": f"Bearer {portal.user('ben').session_id}"},
        )
        assert (answer.status_code, answer.json["code"]) == (403, "not-authorized")
    root = {"Authorization": f"Bearer {portal.root.session_id}"}
    found = portal.app.test_client().get("/api/v1/jobs?user=*", headers=root)
    assert [one["id"] for one in found.json["jobs"]] == [job["id"]]
    cancelled = portal.app.test_client().post(f"/api/v1/jobs/{job['id']}/cancel", headers=root)
    assert cancelled.json["state"] == "Cancelled"
