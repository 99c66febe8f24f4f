"""The dispatcher is killed at each step; no job is lost, and none runs twice (security 22)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.checkpoints import STEPS

pytestmark = pytest.mark.slow

_CHILD = Path(__file__).parent / "dispatch_until.py"


def dispatch_until(portal, step: str) -> None:
    """Let a dispatcher work in a process of its own until it is killed at a step."""
    command = [sys.executable, str(_CHILD), str(portal.settings_file), step]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step_runs_the_job_exactly_once(make_portal, tmp_path, step):
    portal = make_portal(dispatcher=False)
    source = portal.dataset("source")
    runs = tmp_path / "runs"
    (work,) = portal.user().submit("work", dataset_ids=[source], options={"Result": "result"})
    (tool,) = portal.user().submit("tool", arguments=["once", str(runs), "0.2"])
    dispatch_until(portal, step)
    portal.start()
    assert portal.completed(tool)["state"] == "Completed"
    done = portal.completed(work)
    assert len(runs.read_text().splitlines()) == 1
    assert portal.root.search("SELECT d.name FROM Dataset d ORDER BY d.name") == [
        "result",
        "source",
    ]
    assert portal.root.search("SELECT d.complete FROM Dataset d WHERE d.name = 'result'") == [True]
    assert portal.root.search("SELECT j.id FROM Job j") == [done["provenanceId"]]
    assert len(portal.root.search("SELECT c.id FROM DataCollection c")) == 2


def test_killed_twice_in_a_row(make_portal, tmp_path):
    portal = make_portal(dispatcher=False)
    runs = tmp_path / "runs"
    (tool,) = portal.user().submit("tool", arguments=["once", str(runs)])
    dispatch_until(portal, "marked")
    dispatch_until(portal, "submitted")
    portal.start()
    portal.completed(tool)
    assert len(runs.read_text().splitlines()) == 1


def test_cancelled_while_no_dispatcher_runs(make_portal, tmp_path):
    """Attempted, so the engine may have it: the next dispatcher finds out and ends it."""
    portal = make_portal(dispatcher=False)
    runs = tmp_path / "runs"
    (tool,) = portal.user().submit("tool", arguments=["once", str(runs), "60"])
    dispatch_until(portal, "marked")
    portal.user().cancel(tool["id"])
    portal.start()
    done = portal.wait(tool)
    assert (done["state"], done["reason"]) == ("Cancelled", "cancelled before it started")
    assert not runs.exists()


def test_only_one_of_two_dispatchers_acts_and_the_other_takes_over(make_portal, tmp_path):
    portal = make_portal(dispatcher=False)
    jobs = [
        portal.user().submit("tool", arguments=["once", str(tmp_path / f"runs{n}")])[0]
        for n in range(12)
    ]
    portal.start()
    first = portal.background
    portal.start()
    try:
        for job in jobs[:4]:
            portal.completed(job)
    finally:
        first.stop()
    for job in jobs:
        portal.completed(job)
    for number in range(12):
        assert len((tmp_path / f"runs{number}").read_text().splitlines()) == 1
