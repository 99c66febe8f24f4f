"""Several jobs as one sweep: in the list, on its own page, and for the batch system."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event

from batch.engine import Capability
from batch.engines.local import LocalEngine
from ijp.errors import BadRequestError, EngineError, NotFoundError, NotImplementedHereError
from portal import following, sweeps
from portal.job_record import JobFilter
from portal.model import JobRow, Submission
from portal.moments import now
from portal.starting import Starting
from portal.states import State
from servicekit import database

pytestmark = pytest.mark.slow


def by(portal, name="ana"):
    with portal.app.test_request_context():
        return portal.services.sessions.by_session_id(portal.user(name).session_id)


def sweep_of(portal, number: int, arguments: str = "steps 0", user: str = "ana") -> int:
    """Submit so many jobs as one sweep; gives its id."""
    text = "arguments\n" + f"{arguments}\n" * number
    return portal.user(user).submit_batch("tool", text.encode())["sweepId"]


def entries(portal, **filters):
    found = portal.user().job_list(**filters)["entries"]
    return [f"s{one['sweep']['id']}" if "sweep" in one else one["job"]["id"] for one in found]


def test_jobs_of_several_inputs_are_one_row_of_the_list(idle):
    sources = [idle.dataset(name) for name in ("one", "two", "three")]
    (single,) = idle.user().submit("tool")
    many = idle.user().submit("work", dataset_ids=sources, one_job=False)
    sweep_id = many[0]["sweepId"]
    assert {one["sweepId"] for one in many} == {sweep_id}
    assert single["sweepId"] is None
    assert entries(idle) == [f"s{sweep_id}", single["id"]]
    found = idle.user().sweep(sweep_id)
    assert (found["name"], found["jobType"], found["size"]) == ("work", "work", 3)
    assert (found["state"], found["counts"]["waiting"]) == ("Queued", 3)
    (together,) = idle.user().submit("work", dataset_ids=sources, one_job=True)
    assert together["sweepId"] is None


def test_elements_are_listed_in_the_order_of_their_inputs_by_pages(idle):
    sweep_id = sweep_of(idle, 5)
    first = idle.user().jobs(sweep=sweep_id, limit=3)
    rest = idle.user().jobs(sweep=sweep_id, limit=3, after=first["next"])
    ids = [one["id"] for one in first["jobs"] + rest["jobs"]]
    assert ids == sorted(ids)
    assert (len(ids), rest["next"]) == (5, None)


def test_list_shows_a_sweep_for_each_state_that_one_of_its_jobs_has(idle):
    sweep_id = sweep_of(idle, 3)
    element = idle.user().jobs(sweep=sweep_id)["jobs"][0]["id"]
    idle.user().cancel(element)
    (other,) = idle.user().submit("missing")
    assert entries(idle, state="Cancelled") == [f"s{sweep_id}"]
    assert entries(idle, state="Staging") == [other["id"], f"s{sweep_id}"]
    assert entries(idle, state="Failed") == []
    assert entries(idle, type="tool") == [f"s{sweep_id}"]
    assert entries(idle, text="MISSING") == [other["id"]]
    assert [one["id"] for one in idle.user().jobs(sweep=sweep_id, state="Cancelled")["jobs"]] == [
        element
    ]


def test_list_is_restricted_to_what_was_submitted_since(idle):
    (old,) = idle.user().submit("tool")
    sweep_id = sweep_of(idle, 2)
    with database.writing(idle.services.database).begin() as connection:
        jobs, submissions = JobRow.__table__, Submission.__table__
        before = now() - timedelta(days=2)
        connection.execute(
            submissions.update().where(submissions.c.id < sweep_id).values(created_at=before)
        )
        connection.execute(jobs.update().where(jobs.c.id == old["id"]).values(submitted_at=before))
    found, user = idle.services, by(idle)

    def listed(days: int, **filters) -> list[int]:
        which = JobFilter(submitted_since=now() - timedelta(days=days), **filters)
        page = sweeps.entries(found.database, found.settings, user, which)
        return [one.submission_id for one in page.entries]

    assert listed(1) == listed(1, states=(State.STAGING,)) == [sweep_id]
    assert listed(3) == listed(3, states=(State.STAGING,)) == [sweep_id, sweep_id - 1]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_list_is_paged_without_gaps_or_repetitions(idle, limit):
    made = []
    for _ in range(2):
        made += [f"s{sweep_of(idle, 2)}", idle.user().submit("tool")[0]["id"]]
    idle.user("ben").submit("tool")
    found, after = [], None
    while True:
        given = {"after": after} if after else {}
        page = idle.user().job_list(limit=limit, **given)
        found += [
            f"s{one['sweep']['id']}" if "sweep" in one else one["job"]["id"]
            for one in page["entries"]
        ]
        if (after := page["next"]) is None:
            break
    assert found == made[::-1]


@pytest.mark.parametrize("which", [JobFilter(), JobFilter(states=(State.STAGING,))])
def test_page_of_the_list_is_one_statement(idle, which):
    for _ in range(3):
        sweep_of(idle, 4)
        idle.user().submit("tool")
    user, asked = by(idle), []
    found = idle.services

    def note(_connection, _cursor, statement, *_) -> None:
        asked.append(statement)

    event.listen(found.database, "before_cursor_execute", note)
    page = sweeps.entries(found.database, found.settings, user, which)
    event.remove(found.database, "before_cursor_execute", note)
    assert len(page.entries) == 6
    assert len([one for one in asked if "SELECT" in one]) == 1


def test_sweep_of_others_is_not_there(idle):
    sweep_id = sweep_of(idle, 2)
    for number in (sweep_id, 987654):
        with pytest.raises(NotFoundError, match=f"there is no sweep {number} of yours"):
            idle.user("ben").sweep(number)
        with pytest.raises(NotFoundError):
            idle.user("ben").jobs(sweep=number)
        with pytest.raises(NotFoundError):
            idle.user("ben").act("cancel", sweeps=[number])
        assert idle.browser("ben").get(f"/jobs/sweeps/{number}").status_code == 404
    (single,) = idle.user().submit("tool")
    with idle.services.database.connect() as connection:
        query = JobRow.__table__.select().where(JobRow.id == single["id"])
        alone = connection.execute(query).one().submission_id
    with pytest.raises(NotFoundError):
        idle.user().sweep(alone)


def test_sweep_is_cancelled_and_deleted_as_a_whole(idle):
    sweep_id = sweep_of(idle, 3)
    done = idle.user().act("cancel", sweeps=[sweep_id])
    assert (done["done"], done["failed"]) == (3, 0)
    assert idle.user().sweep(sweep_id)["counts"]["cancelled"] == 3
    with pytest.raises(BadRequestError, match="has no job to cancel"):
        idle.user().act("cancel", sweeps=[sweep_id])
    assert idle.user().act("delete", sweeps=[sweep_id])["done"] == 3
    with pytest.raises(NotFoundError):
        idle.user().sweep(sweep_id)
    assert entries(idle) == []


def test_sweep_is_held_and_released_as_a_whole(portal):
    blockers = [portal.user().submit("tool", arguments=["steps", "60"])[0] for _ in range(4)]
    for one in blockers:
        portal.wait(one, "Executing")
    sweep_id = sweep_of(portal, 3)
    jobs = portal.user().jobs(sweep=sweep_id)["jobs"]
    for one in jobs:
        portal.wait(one, "Queued")
    portal.user().act("hold", sweeps=[sweep_id])
    for one in jobs:
        portal.wait(one, "Held")
    assert portal.user().sweep(sweep_id)["state"] == "Held"
    portal.user().act("cancel", [one["id"] for one in blockers])
    portal.user().act("release", sweeps=[sweep_id])
    for one in jobs:
        portal.completed(one)
    assert portal.user().sweep(sweep_id)["state"] == "Completed"


def test_action_tells_for_each_job_what_became_of_it(idle):
    (job,) = idle.user().submit("tool")
    (foreign,) = idle.user("ben").submit("tool")
    found = idle.user().act("delete", [job["id"], foreign["id"], "nosuch", job["publicId"]])
    messages = [one["error"] and one["error"]["message"] for one in found["results"]]
    assert messages == [
        f"job {job['id']} is Staging; cancel it before deleting it",
        f"there is no job {foreign['id']} of yours",
        "there is no job nosuch of yours",
    ], "a job that is named twice is one"
    assert found["results"][1]["error"]["code"] == "not-found"
    cancelled = idle.user().act("cancel", [job["id"]])
    assert cancelled["results"][0]["state"] == "Cancelled"
    with pytest.raises(BadRequestError, match="name the jobs"):
        idle.user().act("cancel")


def test_what_the_engine_cannot_is_neither_offered_nor_done(idle, monkeypatch):
    (job,) = idle.user().submit("tool")
    assert "Release" in idle.browser().get("/jobs").text
    monkeypatch.setattr(
        LocalEngine, "capabilities", LocalEngine.capabilities - {Capability.RELEASE}
    )
    page = idle.browser().get("/jobs").text
    assert "Hold" in page
    assert "Release" not in page
    with pytest.raises(NotImplementedHereError, match="cannot release jobs"):
        idle.user().act("release", [job["id"]])


def test_sweep_goes_to_the_engine_in_one_call(idle, monkeypatch):
    """More than are chosen in turn; and the one job of another user is not behind them."""
    calls = []
    real = LocalEngine.submit_many

    def submit_many(self, specs):
        calls.append([spec.owner for spec in specs])
        return real(self, specs)

    monkeypatch.setattr(LocalEngine, "submit_many", submit_many)
    sweep_of(idle, 150)
    idle.user("ben").submit("tool", arguments=["steps", "0"])
    assert Starting(idle.services).start_some() == 151
    assert calls == [["simple/ben", *["simple/ana"] * 150]]


def test_sweep_is_repeated_as_a_new_sweep(idle):
    sources = [idle.dataset(name) for name in ("one", "two")]
    options = {"Factor": 3}
    old = idle.user().submit("work", dataset_ids=sources, one_job=False, options=options)
    found = idle.user().act("repeat", sweeps=[old[0]["sweepId"]])
    (made,) = found["sweepIds"]
    jobs = idle.user().jobs(sweep=made)["jobs"]
    assert [one["command"][1:4] for one in jobs] == [one["command"][1:4] for one in old]
    assert {one["id"] for one in jobs}.isdisjoint({one["id"] for one in old})


def test_page_of_a_sweep_shows_its_jobs_and_what_can_be_done(idle):
    sweep_id = sweep_of(idle, 60)
    browser = idle.browser()
    page = browser.get(f"/jobs/sweeps/{sweep_id}")
    assert page.text.count('name="job"') == 50
    assert "0 of 60 ended" in page.text
    (after,) = re.findall(r'\?after=(\d+)" ?', page.text)
    rest = browser.get(f"/jobs/sweeps/{sweep_id}?after={after}").text
    assert rest.count('name="job"') == 10
    assert browser.get(f"/jobs/sweeps/{sweep_id}?state=nosuch").status_code == 400
    assert browser.get(f"/jobs/sweeps/{sweep_id}?failure=nosuch").status_code == 400
    assert f"Sweep s{sweep_id}" in browser.get(f"/jobs/{_first(idle, sweep_id)}").text


def test_unchanged_parts_of_a_sweep_are_not_sent_again(idle, monkeypatch):
    sweep_id = sweep_of(idle, 2)
    # How long ago something was would change from one second to the next.
    asked_at = now()
    monkeypatch.setattr("portal.formats.now", lambda: asked_at)
    browser = idle.browser()
    for part in ("summary", "rows"):
        first = browser.get(f"/jobs/sweeps/{sweep_id}/{part}")
        assert first.status_code == 200
        tag = {"If-None-Match": first.headers["ETag"]}
        again = browser.get(f"/jobs/sweeps/{sweep_id}/{part}", headers=tag)
        assert again.status_code == 304


def _first(portal, sweep_id: int) -> int:
    return portal.user().jobs(sweep=sweep_id)["jobs"][0]["id"]


def test_queues_are_for_everybody(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    found = portal.user().queues()
    assert [(one["name"], one["hosts"], one["hostsOnline"]) for one in found["queues"]] == [
        ("local", 1, 1)
    ]
    assert (found["running"], found["ownRunning"], found["waiting"]) == (1, 1, 0)
    assert portal.user("ben").queues()["ownRunning"] == 0
    portal.user().cancel(job["id"])


def test_trouble_with_some_jobs_does_not_keep_others_from_being_cancelled(portal, monkeypatch):
    """Though only two are told to the batch system at a time, and three cannot be."""
    monkeypatch.setattr(following, "WANTED_AT_ONCE", 2)
    blockers = [portal.user().submit("tool", arguments=["steps", "60"])[0] for _ in range(4)]
    for one in blockers:
        portal.wait(one, "Executing")
    jobs = portal.user().jobs(sweep=sweep_of(portal, 5))["jobs"]
    for one in jobs:
        portal.wait(one, "Queued")
    troubled = {one["publicId"] for one in jobs[:3]}
    real = LocalEngine.cancel

    def cancel(self, batch_id):
        if batch_id in troubled:
            raise EngineError("could not connect")
        real(self, batch_id)

    monkeypatch.setattr(LocalEngine, "cancel", cancel)
    portal.user().act("cancel", sweeps=[jobs[0]["sweepId"]])
    for one in jobs[3:]:
        assert portal.wait(one)["state"] == "Cancelled"
    assert portal.user().job(jobs[0]["id"])["state"] == "Queued"
    troubled.clear()
    for one in jobs[:3]:
        assert portal.wait(one)["state"] == "Cancelled"
    portal.user().act("cancel", [one["id"] for one in blockers])
