"""Each mark is submitted once, whatever happens to the one who submits.

For a long run set ``IJP_EXACTLY_ONCE_JOBS`` and ``IJP_EXACTLY_ONCE_KILLS``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from ulid import ULID

from batch.engines.torque import TorqueEngine
from batch.pbs.engine import PbsEngine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

JOBS = int(os.environ.get("IJP_EXACTLY_ONCE_JOBS", "30"))
KILLS = int(os.environ.get("IJP_EXACTLY_ONCE_KILLS", "6"))
ROOT = Path(__file__).parents[3]


@pytest.fixture
def plan(tmp_path, make_torque_cluster):
    """Writes down what is to be submitted; gives the cluster and the marks."""

    def make(*, jobs, at_once, array_limit, **config):
        cluster = make_torque_cluster(**config)
        settings = {
            "command_folder": str(cluster.commands),
            "array_limit": array_limit,
            "grace_seconds": 0.5,
        }
        marks = [str(ULID()) for _ in range(jobs)]
        content = {"settings": settings, "marks": marks, "at_once": at_once}
        (tmp_path / "plan.json").write_text(json.dumps(content))
        (tmp_path / "work").mkdir()
        return cluster, marks

    return make


def submit_with_kills(folder, kills):
    """Run the submitting process again and again; gives how often it was killed."""
    killed = 0
    pause = 1.0 + JOBS / 2000
    while True:
        with (folder / "submitting.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.batch.sites.submitting", str(folder)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
            try:
                process.wait(random.uniform(0.3, 0.3 + pause) if killed < kills else None)
            except subprocess.TimeoutExpired:
                killed += 1
                continue
            finally:
                # Only it: a command that it started goes on by itself.
                process.kill()
                process.wait()
        assert process.returncode == 0, (folder / "submitting.log").read_text()
        return killed


@pytest.mark.parametrize("array_limit", [1, 7], ids=["single", "arrays"])
def test_each_mark_is_in_the_queue_once(plan, tmp_path, array_limit):
    cluster, marks = plan(
        jobs=JOBS, at_once=10, array_limit=array_limit, scheduling=False, check_poll_time=5
    )
    cluster.fail(qsub={"kind": "lost", "chance": 0.2, "seconds": 0.2})
    killed = submit_with_kills(tmp_path, KILLS)
    cluster.fail()
    engine = TorqueEngine(
        json.loads((tmp_path / "plan.json").read_text())["settings"], tmp_path / "engine"
    )
    found = engine.find(marks)
    assert set(found) == set(marks)
    listed = Counter(job["Job_Id"] for job in cluster.jobs() if "job_array_request" not in job)
    assert Counter(one.partition("/")[0] for one in found.values()) == listed
    tags = [
        PbsEngine.tag_in(job["Job_Name"]) for job in cluster.jobs() if "job_array_id" not in job
    ]
    assert len(set(tags)) == len(tags)
    print(f"{len(marks)} marks, {killed} kills, {len(tags)} submissions")
    statuses = engine.status(list(found.values()))
    assert set(statuses) == set(found.values())


def test_command_that_outlives_whoever_started_it_is_waited_for(plan, tmp_path):
    """qsub goes on after its parent was killed; asking at once would not find its job yet."""
    cluster, (mark,) = plan(jobs=1, at_once=1, array_limit=1, scheduling=False)
    cluster.fail(qsub={"kind": "late", "seconds": 3, "times": 1})
    command = [sys.executable, "-m", "tests.batch.sites.submitting", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT)
    while not cluster.faults():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    while _is_running(cluster.commands / "qsub"):
        time.sleep(0.05)
    assert [PbsEngine.tag_in(job["Job_Name"]) for job in cluster.jobs()] == [mark]


def _is_running(program):
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                line = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
                if os.fsencode(program) in line:
                    return True
    return False


def test_each_job_runs_once(plan, tmp_path):
    cluster, marks = plan(jobs=min(JOBS, 40), at_once=5, array_limit=3)
    cluster.fail(qsub={"kind": "lost", "chance": 0.3, "seconds": 0.2})
    submit_with_kills(tmp_path, min(KILLS, 4))
    until = time.monotonic() + 120
    while any(job["job_state"] != "C" for job in cluster.jobs()) and time.monotonic() < until:
        time.sleep(0.1)
    ran = {mark: (tmp_path / "work" / f"ran-{mark}").read_text() for mark in marks}
    assert set(ran.values()) == {"run\n"}
