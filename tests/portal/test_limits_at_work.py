"""Limits on a real portal: what waits says why, what is refused is not lost, and who sees what."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ijp.errors import ConflictError, NotAuthorizedError, TooLargeError
from portal.fairness_tables import IS_RUNNING
from portal.limits import Limits, SharedLimits, UserLimits
from portal.model import JobRow, Membership
from portal.starting import Starting

pytestmark = pytest.mark.slow

LIMITS = """
[portal.limits]
running_per_user = 2
waiting_per_user = 6
[portal.limits.groups."students"]
waiting = 3
"""


def limit(portal, limits):
    """What the pages and the interface go by; a dispatcher reads the file."""
    object.__setattr__(portal.services.settings, "limits", limits)


@pytest.fixture
def students(idle):
    """Ana's group."""
    user = idle.root.search("SELECT u.id FROM User u WHERE u.name = 'simple/ana'")[0]
    group = idle.root.create("Grouping", name="students")
    idle.root.create("UserGroup", user={"id": user}, grouping={"id": group})
    return idle


def running(portal):
    with Session(portal.services.database) as transaction:
        return transaction.scalar(select(func.count()).select_from(JobRow).where(IS_RUNNING))


def test_never_more_run_than_may_and_what_waits_says_why(idle):
    idle.settings_file.write_text(idle.settings_file.read_text() + LIMITS)
    idle.start()
    client = idle.user()
    jobs = [client.submit("tool", arguments=["steps", "3"])[0] for _ in range(5)]
    until, told, most = time.monotonic() + 60, set(), 0
    while client.jobs(state="Staging,Queued,Held,Executing,Unknown")["jobs"]:
        assert time.monotonic() < until
        most = max(most, running(idle))
        told |= {one["reason"] for one in client.jobs(state="Staging")["jobs"]}
        time.sleep(0.02)
    assert [client.job(one["id"])["state"] for one in jobs] == ["Completed"] * 5
    assert most == 2
    assert "waits: 2 of your 2 running jobs; the next starts when one ends" in told


def test_list_and_pages_say_what_jobs_and_sweeps_wait_for(idle):
    limit(idle, Limits(running_per_user=1))
    source = [idle.dataset(name) for name in ("one", "two", "three")]
    client, browser = idle.user(), idle.browser()
    jobs = client.submit("work", dataset_ids=source, one_job=False)
    starting = Starting(idle.services)
    while starting.start_some():
        pass
    reason = "waits: 1 of your 1 running jobs; the next starts when one ends"
    assert [client.job(one["id"])["reason"] for one in jobs[1:]] == [reason] * 2
    sweep_id = jobs[0]["sweepId"]
    assert client.sweep(sweep_id)["waits"] == reason
    assert reason in browser.get("/jobs").text
    for page in (f"/jobs/sweeps/{sweep_id}", f"/jobs/{jobs[1]['id']}"):
        assert "W" + reason[1:] in browser.get(page).text


def test_sweep_that_does_not_fit_is_refused_whole_and_the_form_keeps_what_was_typed(idle):
    limit(idle, Limits(waiting_per_user=2))
    sources = [idle.dataset(name) for name in ("one", "two", "three")]
    with pytest.raises(TooLargeError, match="submit 2 at once at most"):
        idle.user().submit("work", dataset_ids=sources, one_job=False)
    browser = idle.browser()
    address = f"/run/work?sel={','.join(map(str, sources))}"
    page = browser.get(address).text
    token, version, key = (
        re.search(f'name="{name}" value="([^"]*)"', page)[1]
        for name in ("csrf_token", "version", "key")
    )
    form = {"csrf_token": token, "version": version, "key": key, "oneJob": "many"}
    answer = browser.post(address, data={**form, "option.Factor": "7"})
    assert answer.status_code == 409
    assert "with these 3 it would be more than the 2 that one user may have" in answer.text
    assert 'value="7"' in answer.text
    assert idle.number_of_jobs() == 0


def test_groups_are_those_of_the_catalog_at_the_last_submission(students):
    limit(students, Limits(groups={"students": SharedLimits(waiting=1), "data": SharedLimits()}))
    students.user().submit("tool")
    with Session(students.services.database) as transaction:
        found = transaction.scalars(select(Membership)).all()
        assert [(one.user_name, one.group_name) for one in found] == [("simple/ana", "students")]
    with pytest.raises(TooLargeError, match="1 waiting job of the group students"):
        students.user().submit("tool")
    students.user("ben").submit("tool")


def test_interface_shows_what_is_used_and_allowed(students):
    students.user().submit("tool")
    limits = Limits(
        running_per_user=3,
        core_hours_per_investigation=5,
        groups={"students": SharedLimits(waiting=4, priority=2)},
        users={"simple/ben": UserLimits(running=1)},
    )
    limit(students, limits)
    source = students.dataset("one")
    students.user().submit("work", dataset_ids=[source])
    found = students.user().limits()
    assert [(one["name"], one["used"], one["allowed"]) for one in found["limits"]] == [
        ("your running jobs", 0, 3),
        ("waiting jobs of the group students", 2, 4),
        ("your unfinished jobs", 2, 20_000),
        ("core-hours of A", 0, 5),
    ]
    assert found["priority"] == 2
    own = students.user("ben").limits()["limits"]
    assert [(one["name"], one["allowed"]) for one in own] == [
        ("your running jobs", 1),
        ("your unfinished jobs", 20_000),
    ]
    page = students.browser().get("/jobs/limits").text
    assert "2 of 4" in page
    assert "Core-hours of A" in page
    assert "Who uses what" not in page


def test_only_administrators_see_who_uses_what(students):
    limit(students, Limits(groups={"students": SharedLimits(waiting=4)}))
    students.user().submit("tool")
    with pytest.raises(NotAuthorizedError):
        students.user().limits(everybody=True)
    settings = students.services.settings
    object.__setattr__(settings, "admins", ("simple/ben",))
    limit(students, replace(settings.limits, job_types={"<b>none</b>": SharedLimits(running=1)}))
    found = students.user("ben").limits(everybody=True)
    assert [(one["user"], one["waiting"], one["groups"]) for one in found["users"]] == [
        ("simple/ana", 1, ["students"])
    ]
    assert [one["used"] for one in found["shared"]] == [0, 1]
    page = students.browser("ben").get("/jobs/limits").text
    assert "Who uses what" in page
    assert "&lt;b&gt;none&lt;/b&gt;”, which there is not" in page


def test_users_change_the_order_of_their_own_jobs(idle):
    limit(idle, Limits(running_per_user=1))
    client = idle.user()
    ids = [client.submit("tool", arguments=["steps", "0"])[0]["id"] for _ in range(4)]
    assert [one["done"] for one in client.act("first", [ids[2]])["results"]] == [True]
    client.act("first", [ids[3]])
    client.act("last", [ids[0]])
    with pytest.raises(ConflictError, match="no job"):
        raise_first(idle.user("ben").act("first", [ids[1]]))
    with Session(idle.services.database) as transaction:
        query = select(JobRow.id).order_by(JobRow.precedence.desc(), JobRow.id)
        assert transaction.scalars(query).all() == [ids[3], ids[2], ids[1], ids[0]]
    Starting(idle.services).start_some()
    assert client.job(ids[3])["state"] != "Staging"
    with pytest.raises(ConflictError, match="only jobs that the batch system has not got yet"):
        raise_first(client.act("first", [ids[3]]))


def raise_first(found):
    """What an action on a job was refused for."""
    error = found["results"][0]["error"]
    raise ConflictError(error["message"]) if error else AssertionError("it was done")
