"""A sweep on a real Slurm: one array, and what failed of it again in place."""

from __future__ import annotations

import re
import time

import pytest

from portal import installation
from portal.states import State
from tests.batch.making import up
from tests.batch.sites.slurm import SlurmSite
from tests.portal import slurm_portal
from tests.portal_site import running

pytestmark = pytest.mark.slow

ELEMENTS = 40
_EXTERNAL = """
[portal.external_jobs.accounts]
root = "simple/ana"
"""


@pytest.fixture(scope="module")
def slurm_site():
    with up(SlurmSite()) as site:
        yield site


@pytest.fixture
def portal(slurm_site, installation_to_copy, tmp_path):
    """A portal whose jobs run on Slurm."""
    folder = tmp_path / "portal"
    slurm_portal.install(installation_to_copy, folder, slurm_site)
    settings_file = folder / "ijp.toml"
    settings_file.write_text(settings_file.read_text() + _EXTERNAL)
    with running(folder) as portal:
        yield portal


def arrays(site: SlurmSite) -> list[str]:
    """The array, or the number, of each job that Slurm knows."""
    return site.run("squeue", "-h", "-r", "-t", "all", "-o", "%F").split()


def test_sweep_is_one_array_and_its_failed_elements_are_tried_again(portal, slurm_site, tmp_path):
    needed = tmp_path / "needed"
    rows = ["80,", f",{needed}", *[","] * (ELEMENTS - 2)]
    text = "Memory,Needs,name\n" + "".join(f"{row},row {n}\n" for n, row in enumerate(rows))
    made = portal.user().submit_batch("hungry", text.encode())
    for id in made["jobIds"]:
        portal.wait(id, seconds=120)
    assert len(arrays(slurm_site)) == ELEMENTS
    assert len(set(arrays(slurm_site))) == 1, "one submission for all"
    counts = portal.user().sweep(made["sweepId"])["counts"]
    assert counts["failures"] == {"memory": 1, "program": 1}
    assert counts["done"] == ELEMENTS - 2

    needed.touch()
    assert portal.user().act("retry", sweeps=[made["sweepId"]])["done"] == 2
    for id in made["jobIds"][:2]:
        found = portal.wait(id, seconds=60)
        assert (found["state"], found["attempt"]) == ("Completed", 2), found["reason"]
    assert portal.user().job(made["jobIds"][0])["resources"]["memoryMiB"] == 128
    assert portal.user().sweep(made["sweepId"])["counts"]["done"] == ELEMENTS
    assert len(needed.with_suffix(".runs").read_text().split()) == 2


def test_granted_alteration_reaches_slurm(portal, slurm_site):
    blockers = [portal.user().submit("tool", arguments=["steps", "60"])[0] for _ in range(8)]
    for one in blockers:
        portal.wait(one, "Executing", seconds=60)
    (job,) = portal.user().submit("hungry")
    portal.wait(job, "Queued", seconds=60)
    portal.user().act("hold", [job["id"]])
    portal.wait(job, "Held", seconds=60)
    changes = {"memoryMiB": 200, "wallMinutes": 30}
    asked = portal.user().alter(job["id"], changes, "it needs more")
    assert asked["state"] == "pending"
    headers = {"Authorization": f"Bearer {portal.root.session_id}"}
    answer = portal.app.test_client().post(
        f"/api/v1/alterations/{asked['id']}/grant", json={}, headers=headers
    )
    assert answer.json["state"] == "granted"
    until = time.monotonic() + 30
    while portal.user().alterations()[0]["state"] == "granted":
        assert time.monotonic() < until
        time.sleep(0.1)
    (found,) = portal.user().alterations()
    assert (found["state"], found["answer"]) == ("done", "")
    assert portal.user().job(job["id"])["resources"] == changes
    listed = slurm_site.run("squeue", "-h", "-t", "PD", "-o", "%m %l %j").splitlines()
    (row,) = [line for line in listed if job["publicId"] in line]
    assert row.split()[:2] == ["264M", "31:00"]
    portal.user().act("release", [job["id"]])
    portal.user().act("cancel", [one["id"] for one in blockers])
    assert portal.wait(job, seconds=60)["state"] == "Completed"


def test_start_and_end_are_seen_by_reports_long_before_the_next_poll(
    slurm_site, installation_to_copy, tmp_path
):
    folder = tmp_path / "portal"
    slurm_portal.install(installation_to_copy, folder, slurm_site)
    settings_file = folder / installation.SETTINGS_FILE
    told = "poll_interval_seconds = 600\njob_reports = true\n"
    text = re.sub(r"poll_interval_seconds = .*\n", told, settings_file.read_text(), count=1)
    settings_file.write_text(text)
    with running(folder) as portal:
        assert portal.services.settings.poll_interval_seconds == 600
        (job,) = portal.user().submit("tool", arguments=["steps", "5"])
        portal.wait(job, State.EXECUTING, seconds=60)
        assert portal.completed(job)["state"] == "Completed"


def test_job_that_was_submitted_by_hand_shows_as_external(portal, slurm_site):
    given = (
        "--job-name=by <i>hand</i>",
        "--output=/dev/null",
        "--partition=two",
        "--wrap=sleep 99",
    )
    number = slurm_site.run("sbatch", "--parsable", *given).strip()
    until = time.monotonic() + 60
    while not (found := portal.user().external_jobs()):
        assert time.monotonic() < until
        time.sleep(0.2)
    (one,) = found
    assert (one["nativeId"], one["name"], one["queue"]) == (number, "by <i>hand</i>", "two")
    assert (one["account"], one["user"]) == ("root", "simple/ana")
    assert one["submittedAt"]
    assert portal.user("ben").external_jobs() == []
    assert "by &lt;i&gt;hand&lt;/i&gt;" in portal.browser().get("/jobs").text
    slurm_site.run("scancel", number)
    while portal.user().external_jobs():
        assert time.monotonic() < until
        time.sleep(0.2)
