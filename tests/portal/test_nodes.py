"""The hosts of the batch system, for administrators."""

from __future__ import annotations

import pytest

from batch.engine import Node
from ijp.errors import NotAuthorizedError
from ijp.portal import PortalClient

pytestmark = pytest.mark.slow


@pytest.fixture
def admin(portal):
    client = PortalClient(portal.url)
    words = (portal.folder / "secrets" / "root_password").read_text().strip()
    client.login("simple", {"username": "root", "password": words})
    return client


def test_hosts_are_listed_with_what_jobs_use(portal, admin):
    (job,) = portal.user().submit("tool", arguments=["steps", "30"])
    portal.wait(job, "Executing")
    (node,) = admin.nodes()
    assert (node["online"], node["slotsUsed"]) == (True, 1)
    assert node["slots"] >= 1
    assert node["memoryBytes"] > 2**20
    portal.user().cancel(job["id"])
    portal.wait(job)


def test_reason_why_a_host_takes_no_jobs_is_told_to_programs_and_people(portal, admin, monkeypatch):
    """The local engine has none, so what another engine would say stands in for its answer."""
    node = Node(name="n1", online=False, slots=4, slots_used=0, reason="<b>disk</b> is full")
    monkeypatch.setattr(portal.services.engine, "nodes", lambda: [node])
    (told,) = admin.nodes()
    assert (told["online"], told["reason"]) == (False, "<b>disk</b> is full")
    monkeypatch.setitem(
        portal.passwords, "root", (portal.folder / "secrets" / "root_password").read_text().strip()
    )
    page = portal.browser("root").get("/admin").text
    assert "&lt;b&gt;disk&lt;/b&gt; is full" in page
    assert "takes none" in page


def test_hosts_are_for_administrators(portal):
    with pytest.raises(NotAuthorizedError):
        portal.user().nodes()
