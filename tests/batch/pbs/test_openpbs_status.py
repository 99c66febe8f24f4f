"""What the engine makes of jobs as a real OpenPBS printed them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.engine import EngineState
from batch.pbs.job import PbsJob
from batch.pbs.openpbs_json import read_jobs
from batch.pbs.openpbs_status import moment, status

CAPTURES = Path(__file__).parents[1] / "captures" / "torque" / "openpbs"


def from_text(name: str) -> PbsJob:
    """A job out of ``qstat -f``, whose lines are folded."""
    text = (CAPTURES / name).read_text().replace("\n\t", "")
    attributes = dict(re.findall(r"^    ([\w.]+) = (.*)$", text, re.MULTILINE))
    return PbsJob(id="1.head", state=attributes["job_state"], attributes=attributes)


@pytest.mark.parametrize(
    ("name", "exit_code", "signal", "reason"),
    [
        ("ok", 0, None, ""),
        ("exit3", 3, None, ""),
        ("kill9", 137, None, ""),
        ("nodir", 0, None, ""),
        ("del", None, 15, "cancelled"),
        ("trap", None, 15, "cancelled"),
        ("wall", None, None, "wall time limit of 3 s"),
    ],
)
def test_end_is_told(name, exit_code, signal, reason):
    told = status(from_text(f"qstat-xf-F-{name}.txt"))
    assert told.state is EngineState.ENDED
    assert (told.exit_code, told.signal, told.reason) == (exit_code, signal, reason)
    assert told.node == "head"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("Q", EngineState.QUEUED),
        ("W", EngineState.QUEUED),
        ("H", EngineState.HELD),
        ("R", EngineState.RUNNING),
        ("S", EngineState.SUSPENDED),
    ],
)
def test_state_is_that_of_openpbs(name, state):
    assert status(from_text(f"qstat-f-{name}.txt")).state is state


def test_what_keeps_a_job_in_the_queue_for_ever_is_told():
    told = status(from_text("qstat-f-Q.txt"))
    assert told.reason.startswith("Can Never Run: Insufficient amount of resource: ncpus")


def test_times_are_read():
    told = status(read_jobs((CAPTURES / "qstat-xfF-json-F.json").read_text())[0])
    assert told.started == datetime(2026, 11, 20, 18, 46, 9, tzinfo=UTC)
    assert told.ended == datetime(2026, 11, 20, 18, 46, 9, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "x", "Fri Nov 99 18:46:09 2026", "1795200417", "Fri"])
def test_what_is_no_moment_is_none(text):
    assert moment(text) is None


def test_job_that_was_deleted_for_its_dependency_has_no_exit_status():
    told = status(PbsJob(id="1.head", state="F", attributes={"Hold_Types": "s"}))
    assert (told.exit_code, told.reason, told.succeeded) == (None, "cancelled", False)
