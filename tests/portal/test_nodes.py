"""The hosts, for users and programs; setting them offline, for administrators."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from ijp.errors import (
    BadRequestError,
    NotAuthorizedError,
    NotFoundError,
    NotImplementedHereError,
    ValidationFailedError,
)
from ijp.portal import PortalClient
from portal.model import Audit
from portal.monitoring import Monitoring
from portal.nodes_cli import nodes as ijpd_nodes
from tests.batch.making import up
from tests.batch.sites.slurm import SlurmSite
from tests.portal import slurm_portal
from tests.portal_site import running

pytestmark = pytest.mark.slow


@pytest.fixture
def admin_of():
    """Makes a client of an administrator."""

    def admin_of(portal) -> PortalClient:
        client = PortalClient(portal.url)
        words = (portal.folder / "secrets" / "root_password").read_text().strip()
        client.login("simple", {"username": "root", "password": words})
        portal.passwords = {**portal.passwords, "root": words}
        return client

    return admin_of


@pytest.fixture(scope="module")
def site():
    with up(SlurmSite()) as made:
        yield made


@pytest.fixture(scope="module")
def on_slurm(site, installation_to_copy, tmp_path_factory):
    """A portal on Slurm, which looks at its hosts all the time."""
    folder = tmp_path_factory.mktemp("slurm") / "portal"
    slurm_portal.install(installation_to_copy, folder, site)
    with (folder / "ijp.toml").open("a") as settings:
        settings.write("\n[portal.monitoring]\ninterval_seconds = 0.3\n")
    with running(folder) as portal:
        yield portal


def hosts_of(client: PortalClient, wanted: int) -> dict[str, dict]:
    """The hosts by name, as soon as there are so many."""
    return until(lambda found: len(found) >= wanted, client)


def until(claim, client: PortalClient) -> dict[str, dict]:
    """The hosts by name, as soon as something is true of them."""
    end = time.monotonic() + 30
    while not claim(found := {one["name"]: one for one in client.nodes()}):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_users_see_hosts_and_what_runs_there(on_slurm):
    user = on_slurm.user()
    (job,) = user.submit("tool", arguments=["steps", "60"])
    running_on = on_slurm.wait(job, "Executing", seconds=60)["node"]
    hosts = until(lambda found: found.get(running_on, {}).get("slotsUsed"), user)
    assert {name: one["slots"] for name, one in hosts.items()} == {"n1": 2, "n2": 4, "n3": 4}
    assert {name: one["ownJobs"] for name, one in hosts.items() if one["jobs"]} == {running_on: 1}
    assert on_slurm.user("ben").nodes()[0]["ownJobs"] == 0
    assert user.queues()["queues"] == [
        {"name": "batch", "hosts": 2, "hostsOnline": 2, "slots": 8, "slotsUsed": 1},
        {"name": "two", "hosts": 1, "hostsOnline": 1, "slots": 2, "slotsUsed": 0},
    ]
    page = on_slurm.browser().get("/nodes?by=load&down=true")
    assert page.status_code == 200
    assert "(1 yours)" in page.text
    assert "Set offline" not in page.text
    assert 'aria-sort="descending"' in page.text
    user.cancel(job["id"])
    on_slurm.wait(job, seconds=60)


def test_administrator_sets_a_host_offline_and_all_see_why(on_slurm, admin_of, site):
    admin = admin_of(on_slurm)
    hosts_of(admin, 3)
    made = admin.set_node_offline("n2", "disk <b>full</b>")
    assert (made["online"], made["reason"].split(" [")[0]) == (False, "disk <b>full</b>")
    assert "disk <b>full</b>" in site.run("sinfo", "-h", "-R", "-n", "n2", "-o", "%E")
    page = on_slurm.browser().get("/nodes").text
    assert "disk &lt;b&gt;full&lt;/b&gt;" in page
    assert "Takes no jobs" in page
    admin.set_node_online("n2")
    until(lambda found: found["n2"]["online"], admin)
    with on_slurm.services.database.connect() as connection:
        query = select(Audit.user_name, Audit.action, Audit.subject, Audit.detail)
        done = connection.execute(query.where(Audit.action.like("set node%"))).all()
    assert done == [
        ("simple/root", "set node offline", "slurm n2", "disk <b>full</b>"),
        ("simple/root", "set node online", "slurm n2", ""),
    ]


def test_administrator_uses_the_page(on_slurm, admin_of):
    admin = admin_of(on_slurm)
    hosts_of(admin, 3)
    browser = on_slurm.browser("root")
    page = browser.get("/nodes").text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    form = {"csrf_token": token, "name": "n3", "engine": "slurm", "note": "new memory"}
    shown = browser.post("/nodes/offline", data=form, follow_redirects=True).text
    assert "No new jobs start on n3" in shown
    assert "new memory" in shown
    refused = browser.post("/nodes/offline", data={**form, "note": " "}, follow_redirects=True)
    assert "Say why, in up to 200 characters." in refused.text
    gone = browser.post("/nodes/online", data={**form, "name": "n9"}, follow_redirects=True).text
    assert "There is no host &#39;n9&#39;." in gone
    shown = browser.post("/nodes/online", data=form, follow_redirects=True).text
    assert "Jobs start on n3 again." in shown


def test_operator_has_the_same_by_command(on_slurm):
    settings = ["--settings", str(on_slurm.settings_file)]

    def says(*words: str) -> str:
        done = CliRunner().invoke(ijpd_nodes, [*words, *settings], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert [line.split()[1] for line in says("list", "--now").splitlines()] == ["n1", "n2", "n3"]
    assert "takes none" in says("offline", "n1", "broken fan")
    (line,) = [one for one in says("list").splitlines() if " n1 " in one]
    assert "broken fan" in line
    assert " n1 " in says("online", "n1")
    until(lambda found: found["n1"]["online"], on_slurm.user())


def test_what_is_wrong_is_refused(on_slurm, admin_of):
    user, admin = on_slurm.user(), admin_of(on_slurm)
    hosts_of(admin, 3)
    for act in (lambda: user.set_node_offline("n1", "x"), lambda: user.set_node_online("n1")):
        with pytest.raises(NotAuthorizedError):
            act()
    with pytest.raises(NotFoundError, match="no host 'n7'"):
        admin.set_node_offline("n7", "x")
    with pytest.raises(NotFoundError, match="no host 'n1'"):
        admin.set_node_offline("n1", "x", engine="other")
    with pytest.raises(BadRequestError, match="say why"):
        admin.set_node_offline("n1", "  ")
    for note in ("", "x" * 201):
        with pytest.raises(ValidationFailedError, match="note"):
            admin.set_node_offline("n1", note)
    assert hosts_of(admin, 3)["n1"]["online"]


def test_host_of_an_engine_that_cannot_is_left_alone(idle, admin_of):
    Monitoring(idle.services).look()
    (node,) = idle.user().nodes()
    assert (node["engine"], node["online"], node["canChange"]) == ("local", True, False)
    assert json.dumps(node["toldAt"])
    with pytest.raises(NotImplementedHereError, match="cannot set hosts offline"):
        admin_of(idle).set_node_offline(node["name"], "x")


def test_nobody_is_asked_for_a_page(idle, monkeypatch):
    """What a page shows was looked at before, also by a process that is gone."""
    Monitoring(idle.services).look()
    monkeypatch.setattr(type(idle.services.engine), "nodes", None)
    assert idle.browser().get("/nodes").status_code == 200
    assert len(idle.user().nodes()) == 1
    assert idle.user().queues()["queues"][0]["name"] == "local"
