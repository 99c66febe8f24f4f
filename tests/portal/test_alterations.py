"""Other limits for jobs that wait: asked for, granted or refused, carried out."""

from __future__ import annotations

import pytest

from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    NotImplementedHereError,
)
from ijp.portal import PortalClient

pytestmark = pytest.mark.slow


@pytest.fixture
def admin_of():
    """Gives the client of an administrator: ``admin_of(portal)``."""
    made = []

    def admin_of(portal) -> PortalClient:
        made.append(PortalClient(portal.url, portal.root.session_id))
        return made[-1]

    yield admin_of
    for client in made:
        client._transport._http.close()


def test_refusal_is_read_by_the_user_with_its_reason(idle, admin_of):
    (job,) = idle.user().submit("hungry")
    asked = idle.user().alter(job["id"], {"wallMinutes": 125}, "two hours more")
    assert (asked["state"], asked["before"]) == ("pending", {"wallMinutes": 5})
    with pytest.raises(NotAuthorizedError):
        idle.user().decide(asked["id"], grant=True)
    admin = admin_of(idle)
    with pytest.raises(BadRequestError, match="say why"):
        admin.decide(asked["id"], grant=False)
    admin.decide(asked["id"], grant=False, reason="the queue ends at noon")
    (found,) = idle.user().alterations()
    assert (found["state"], found["answer"]) == ("refused", "the queue ends at noon")
    assert "the queue ends at noon" in idle.browser().get(f"/jobs/{job['id']}/alter").text
    events = [one["text"] for one in idle.user().job(job["id"])["events"]]
    assert events[1:] == [
        "asked for 125 min of time; an administrator decides",
        "refused: 125 min of time (the queue ends at noon)",
    ]
    assert idle.user().job(job["id"])["resources"]["wallMinutes"] == 5
    with pytest.raises(ConflictError, match="refused already"):
        admin.decide(asked["id"], grant=True)


def test_grant_is_carried_out_before_the_job_starts(idle, admin_of):
    """With the memory that it had this job would have been ended."""
    (job,) = idle.user().submit("hungry", options={"Memory": 80})
    asked = idle.user().alter(job["id"], {"memoryMiB": 128})
    admin = admin_of(idle)
    assert [one["id"] for one in admin.alterations(pending=True)] == [asked["id"]]
    admin.decide(asked["id"], grant=True)
    idle.start()
    done = idle.completed(job)
    assert done["resources"]["memoryMiB"] == 128
    assert idle.user().alterations()[0]["state"] == "done"
    assert any("altered: 128 MiB of memory" in one["text"] for one in done["events"])


def test_what_administrators_ask_for_is_granted(idle, admin_of):
    (job,) = idle.user().submit("hungry")
    assert admin_of(idle).alter(job["id"], {"wallMinutes": 7})["state"] == "granted"


@pytest.mark.parametrize(
    "changes",
    [{}, {"memoryMiB": 0}, {"wallMinutes": -1}, {"queue": "a b"}, {"memoryMiB": 64}, {"cores": 3}],
)
def test_what_cannot_be_asked_for_is_refused(idle, changes):
    (job,) = idle.user().submit("hungry")
    with pytest.raises(BadRequestError):
        idle.user().alter(job["id"], changes)
    assert idle.user().alterations() == []


def test_only_ones_own_waiting_job_and_one_request_at_a_time(idle):
    (job,) = idle.user().submit("hungry")
    with pytest.raises(NotFoundError):
        idle.user("ben").alter(job["id"], {"wallMinutes": 9})
    idle.user().alter(job["id"], {"wallMinutes": 9})
    with pytest.raises(ConflictError, match="has a request already"):
        idle.user().alter(job["id"], {"wallMinutes": 10})
    assert idle.user("ben").alterations() == []
    idle.user().cancel(job["id"])
    with pytest.raises(ConflictError, match="only what waits"):
        idle.user().alter(job["id"], {"wallMinutes": 10})


def test_engine_that_cannot_alter_is_told_at_once(portal):
    blockers = [portal.user().submit("tool", arguments=["steps", "60"])[0] for _ in range(4)]
    for one in blockers:
        portal.wait(one, "Executing")
    (job,) = portal.user().submit("hungry")
    portal.wait(job, "Queued")
    assert "Other limits" not in portal.browser().get(f"/jobs/{job['id']}").text
    with pytest.raises(NotImplementedHereError, match="cannot alter jobs that it has"):
        portal.user().alter(job["id"], {"wallMinutes": 9})
    portal.user().act("cancel", [job["id"], *(one["id"] for one in blockers)])


def test_pages_ask_and_answer(idle, monkeypatch):
    (job,) = idle.user().submit("hungry")
    browser = idle.browser()
    address = f"/jobs/{job['id']}/alter"
    assert address in browser.get(f"/jobs/{job['id']}").text
    form = {"csrf_token": _token(browser, address), "minutes": "x", "note": "<b>please</b>"}
    wrong = browser.post(address, data=form)
    assert wrong.status_code == 400
    assert "must be a whole number" in wrong.text
    done = browser.post(address, data={**form, "minutes": "60"}, follow_redirects=True)
    assert "An administrator decides" in done.text
    assert browser.get("/admin/alterations").status_code == 403
    words = (idle.folder / "secrets" / "root_password").read_text().strip()
    monkeypatch.setitem(idle.passwords, "root", words)
    admin = idle.browser("root")
    assert "&lt;b&gt;please&lt;/b&gt;" in admin.get("/admin/alterations").text
    (asked,) = idle.user().alterations()
    place = f"/admin/alterations/{asked['id']}"
    token = {"csrf_token": _token(admin, "/admin/alterations")}
    assert "Say why" in admin.post(f"{place}/refuse", data=token, follow_redirects=True).text
    granted = admin.post(f"{place}/grant", data=token, follow_redirects=True).text
    assert f"The request for job {job['id']} is granted" in granted


def _token(browser, address: str) -> str:
    return browser.get(address).text.split('name="csrf_token" value="')[1].split('"')[0]
