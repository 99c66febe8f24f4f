"""What the engine makes of what a real Torque printed about jobs in each state."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.engine import EngineState
from batch.pbs.job import PbsJob
from batch.pbs.torque_status import status
from batch.pbs.torque_xml import read_jobs

CAPTURES = Path(__file__).parents[1] / "captures" / "torque"


def captured(name: str) -> PbsJob:
    return read_jobs((CAPTURES / name).read_text())[0]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("qstat-fx-Q.xml", EngineState.QUEUED),
        ("qstat-fx-W.xml", EngineState.QUEUED),
        ("qstat-fx-H.xml", EngineState.HELD),
        ("qstat-fx-R.xml", EngineState.RUNNING),
        ("qstat-fx-E.xml", EngineState.RUNNING),
        ("qstat-fx-S.xml", EngineState.SUSPENDED),
        ("qstat-fx-C-ok.xml", EngineState.ENDED),
    ],
)
def test_state_is_that_of_torque(name, state):
    assert status(captured(name)).state is state


@pytest.mark.parametrize(
    ("name", "exit_code", "signal", "reason"),
    [
        ("ok", 0, None, ""),
        ("exit3", 3, None, ""),
        ("exit255", 255, None, ""),
        ("kill9self", 137, None, ""),
        ("segv", 139, None, ""),
        ("noshell", 127, None, ""),
        ("noshellS", 254, None, ""),
        ("nodir", 0, None, ""),
        ("del", None, 15, "cancelled"),
        ("del2", None, 15, "cancelled"),
        ("wall", None, None, "wall time limit of 4 s"),
        ("wall2", None, None, "wall time limit of 4 s"),
    ],
)
def test_end_is_told(name, exit_code, signal, reason):
    told = status(captured(f"qstat-fx-C-{name}.xml"))
    assert (told.exit_code, told.signal, told.reason) == (exit_code, signal, reason)
    assert told.started is not None
    assert told.ended is not None
    assert told.started <= told.ended
    assert told.node in ("node01", "node02")


def test_times_and_usage_are_read():
    told = status(captured("qstat-fx-C-wall.xml"))
    assert told.started == datetime.fromtimestamp(1795199227, UTC)
    assert told.ended == datetime.fromtimestamp(1795199235, UTC)
    assert (told.cpu_seconds, told.peak_memory_bytes) == (0.0, 107656 * 1024)


def test_exit_status_of_a_former_run_is_not_that_of_this_one():
    """A job that was run again has state R and exit_status 0: it has not succeeded."""
    job = captured("qstat-fx-R.xml")
    again = PbsJob(id=job.id, state="R", attributes={**job.attributes, "exit_status": "0"})
    told = status(again)
    assert (told.state, told.exit_code, told.succeeded) == (EngineState.RUNNING, None, False)


def test_exit_status_of_a_failed_prologue_is_no_end():
    """It is queued again, without end, and shows -14."""
    job = captured("qstat-fx-Q.xml")
    told = status(PbsJob(id=job.id, state="Q", attributes={**job.attributes, "exit_status": "-14"}))
    assert (told.state, told.reason) == (EngineState.QUEUED, "a node's prologue put it off")


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("Not Running: Not enough of the right type of nodes are available", ""),
        ("Job started on Fri Nov 20 at 18:26", ""),
        (
            "Not Running - PBS Error: Unknown node-attribute\n",
            "Not Running - PBS Error: Unknown node-attribute",
        ),
    ],
)
def test_what_keeps_a_job_in_the_queue_is_told(comment, reason):
    job = captured("qstat-fx-Q.xml")
    told = status(PbsJob(id=job.id, state="Q", attributes={**job.attributes, "comment": comment}))
    assert (told.state, told.reason) == (EngineState.QUEUED, reason)


@pytest.mark.parametrize(
    ("holds", "depend", "state"),
    [
        ("u", "", EngineState.HELD),
        ("sou", "", EngineState.HELD),
        ("s", "", EngineState.HELD),
        ("su", "afterok:1.head", EngineState.HELD),
        ("s", "afterok:1.head", EngineState.QUEUED),
        ("l", "", EngineState.QUEUED),
    ],
)
def test_job_that_waits_for_another_or_for_its_turn_is_not_held_by_anybody(holds, depend, state):
    attributes = {"Hold_Types": holds, "depend": depend}
    assert status(PbsJob(id="1.head", state="H", attributes=attributes)).state is state


def test_job_deleted_before_it_ran_has_no_exit_status():
    told = status(PbsJob(id="29.head", state="C", attributes={"mtime": "1795199227"}))
    assert (told.exit_code, told.started, told.reason) == (None, None, "cancelled")
    assert not told.succeeded


def test_job_that_torque_deleted_for_its_dependency_says_so():
    attributes = {
        "exit_status": "271",
        "comment": "Job deleted as result of dependency on job 88.head",
    }
    told = status(PbsJob(id="89.head", state="C", attributes=attributes))
    assert told.reason == "the job it had to wait for did not end as it should: 88.head"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("-2", "the node's prologue refused it"),
        ("-10", "virtual memory limit of 100 MiB"),
        ("-12", "CPU time limit of 90 s"),
        ("-99", "the batch system could not run it (code -99)"),
    ],
)
def test_negative_exit_status_is_a_reason(code, reason):
    attributes = {
        "exit_status": code,
        "Resource_List.vmem": "100mb",
        "Resource_List.cput": "00:01:30",
    }
    told = status(PbsJob(id="1.head", state="C", attributes=attributes))
    assert (told.exit_code, told.reason, told.succeeded) == (None, reason, False)


@pytest.mark.parametrize("state", ["", "Z", "RR", "c"])
def test_unknown_state_is_unknown(state):
    job = PbsJob(id="1.head", state=state, attributes={"exit_status": "0"})
    assert status(job).state is EngineState.UNKNOWN


@pytest.mark.parametrize("text", ["", "x", "1e9", "99999999999999999999", "0x0", "0\n1"])
def test_exit_status_that_is_no_number_is_no_success(text):
    told = status(PbsJob(id="1.head", state="C", attributes={"exit_status": text}))
    assert (told.exit_code, told.succeeded) == (None, False)
