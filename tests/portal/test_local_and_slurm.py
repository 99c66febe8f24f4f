"""A portal with its own host and a real Slurm: each job goes to one, and is followed there."""

from __future__ import annotations

import time

import pytest

from portal.routing import MANY
from tests.batch.making import up
from tests.batch.sites.slurm import SlurmSite
from tests.portal import slurm_portal
from tests.portal_site import copy, running

pytestmark = pytest.mark.slow


@pytest.fixture
def site():
    with up(SlurmSite()) as site:
        yield site


@pytest.fixture
def portal(site, installation_to_copy, tmp_path):
    copy(installation_to_copy, tmp_path / "portal")
    slurm_portal.add(tmp_path / "portal", site, "cluster")
    with running(tmp_path / "portal") as portal:
        yield portal


def test_sweep_goes_to_slurm_as_an_array_and_a_job_where_it_is_wanted(portal, site):
    until = time.monotonic() + 60
    while "cores free" not in portal.user().form("tool", engine="cluster")["estimate"]["reason"]:
        assert time.monotonic() < until, "nothing was heard of Slurm's nodes"
        time.sleep(0.5)
    single = {
        name: portal.user().submit("tool", arguments=["steps", "0"], engine=name)[0]
        for name in ("local", "cluster")
    }
    text = "arguments\n" + "steps 0\n" * MANY
    made = portal.user().submit_batch("tool", text.encode())
    for name, job in single.items():
        portal.wait(job, seconds=60)
        assert portal.completed(job)["engine"] == name
    for id in made["jobIds"]:
        found = portal.wait(id, seconds=120)
        assert (found["state"], found["engine"]) == ("Completed", "cluster"), found["reason"]
        assert found["engineReason"].startswith(f"takes {MANY} jobs at once")
    listed = site.run("squeue", "-h", "-r", "-t", "all", "-o", "%F").split()
    assert sorted(map(listed.count, set(listed))) == [1, MANY], "one job, and one array"
