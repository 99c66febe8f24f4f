"""What became of dependent jobs on the real Torque becomes of them on the stand-in."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.peers.torque.cluster import Cluster

pytestmark = pytest.mark.slow

LOG = (
    Path(__file__).parents[2] / "batch" / "captures" / "torque" / "dependencies-log.txt"
).read_text()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("torque") / "cluster")
    cluster.start()
    yield cluster
    cluster.stop()


def submit(cluster, script, *options):
    answer = cluster.run("qsub", "-o", "/dev/null", "-e", "/dev/null", *options, stdin=script)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def ends_of(cluster, ids):
    """State and exit status of each when all have come to rest."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        jobs = {job["Job_Id"]: job for job in cluster.jobs()}
        if all(jobs[one]["job_state"] == "C" for one in ids.values()):
            break
        time.sleep(0.05)
    return {
        name: (jobs[one]["job_state"], jobs[one].get("exit_status")) for name, one in ids.items()
    }


def captured_ends(names):
    found = {}
    for name in names:
        state, status = re.search(
            rf"^{name} \d+\.head \('(\w)', (-?\w+), \d+\)", LOG, re.M
        ).groups()
        found[name] = (state, None if status == "None" else int(status))
    return found


def test_children_of_parents_that_end(cluster):
    good = submit(cluster, "sleep 1", "-h")
    bad = submit(cluster, "exit 2", "-h")
    wanted = {
        "ok_of_ok": f"afterok:{good}",
        "notok_of_ok": f"afternotok:{good}",
        "any_of_bad": f"afterany:{bad}",
        "ok_of_bad": f"afterok:{bad}",
        "notok_of_bad": f"afternotok:{bad}",
        "after_start": f"after:{good}",
        "two": f"afterok:{good}:{bad}",
        "twolist": f"afterok:{good},afternotok:{bad}",
    }
    ids = {name: submit(cluster, "true", "-W", f"depend={one}") for name, one in wanted.items()}
    cluster.run("qrls", good, bad)
    assert ends_of(cluster, ids) == captured_ends(wanted)


@pytest.mark.parametrize("when", ["running", "held"])
def test_children_of_a_parent_that_is_deleted(cluster, when):
    """If it never ran, the afterok child runs, and the afternotok one is deleted."""
    parent = submit(cluster, "sleep 100", *(["-h"] if when == "held" else []))
    kinds = ("afterok", "afterany", "afternotok")
    ids = {kind: submit(cluster, "true", "-W", f"depend={kind}:{parent}") for kind in kinds}
    while when == "running" and "R" not in cluster.run("qstat", parent).stdout.split():
        time.sleep(0.05)
    cluster.run("qdel", parent)
    line = re.search(rf"^parent deleted while {when}: (.*)$", LOG, re.M)[1]
    captured = {
        kind: (state, int(status))
        for kind, state, status in re.findall(r"(after\w+) \('(\w)', (\d+), \d+\)", line)
    }
    assert ends_of(cluster, ids) == captured


def test_children_of_a_parent_that_has_completed(cluster):
    """Refused with 208, or held for ever."""
    good = submit(cluster, "true")
    bad = submit(cluster, "exit 1")
    ends_of(cluster, {"good": good, "bad": bad})
    found = re.findall(r"^depend= (\S+) rc (\d+)\s+'?\"?(.*?)(?:'|\"| \d+\.head)", LOG, re.M)
    assert len(found) == 14
    for depend, code, text in found:
        asked = depend.replace("96.head", good).replace("97.head", bad)
        answer = cluster.run("qsub", "-W", f"depend={asked}", stdin="true")
        assert (depend, answer.returncode) == (depend, int(code))
        if code != "0":
            assert answer.stderr.startswith(text)
        else:
            job = {job["Job_Id"]: job for job in cluster.jobs()}[answer.stdout.strip()]
            assert (job["job_state"], job["Hold_Types"]) == ("H", "s")
