"""Reading what Slurm's commands print."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batch.engine import EngineState
from batch.slurm.output import read_nodes, read_sacct, read_shown, read_squeue

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"
SEPARATOR = "\x1f"


def listed(*records, start="f00d"):
    """A listing as squeue prints it in the engine's format."""
    return "".join(SEPARATOR.join((start, *record)) + "\n" for record in records)


def record(native_id="7", state="RUNNING", reason="None", nodes="n1", name=f"a.{MARK}"):
    times = ("2026-11-20T17:10:18", "2026-11-20T18:10:18")
    return (native_id, state, reason, *times, nodes, "ana", "short", times[0], name)


def test_listing_is_read():
    (job,) = read_squeue(listed(record()), "f00d").values()
    assert (job.native_id, job.tag, job.status.state) == ("7", MARK, EngineState.RUNNING)
    assert job.status.started == datetime(2026, 11, 20, 17, 10, 18, tzinfo=UTC)
    assert job.status.node == "n1"


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("PENDING", "Resources", EngineState.QUEUED),
        ("PENDING", "JobHeldUser", EngineState.HELD),
        ("PENDING", "JobHeldAdmin", EngineState.HELD),
        ("PENDING", "job_requeued_in_held_state", EngineState.HELD),
        ("PENDING", "launch failed requeued held", EngineState.HELD),
        ("SPECIAL_EXIT", "JobHeldUser", EngineState.HELD),
        ("CONFIGURING", "None", EngineState.QUEUED),
        ("COMPLETING", "None", EngineState.RUNNING),
        ("SUSPENDED", "None", EngineState.SUSPENDED),
        ("TIMEOUT", "TimeLimit", EngineState.ENDED),
        ("HALF_DONE", "None", EngineState.UNKNOWN),
        ("", "", EngineState.UNKNOWN),
    ],
)
def test_states_are_translated(state, reason, expected):
    (job,) = read_squeue(listed(record(state=state, reason=reason)), "f00d").values()
    assert job.status.state is expected


def test_reasons_with_blanks_and_commas_hide_nothing():
    why = "ReqNodeNotAvail, May be reserved for other job"
    jobs = read_squeue(listed(record("7", "PENDING", why), record("8")), "f00d")
    assert jobs["7"].status.reason == why
    assert jobs["8"].status.state is EngineState.RUNNING


def test_one_garbled_record_hides_no_other():
    text = listed(record("7")) + "f00d\x1fgarbage\x00\n" + listed(("8",), record("9"))
    assert set(read_squeue(text, "f00d")) == {"7", "9"}


def test_name_of_another_users_job_cannot_look_like_a_record():
    """Security: names are free text, newlines and separators included."""
    forged = SEPARATOR.join(record("7", "COMPLETED"))
    jobs = read_squeue(listed(record("8", name=f"x\n{forged}\n{SEPARATOR}{forged}")), "f00d")
    assert set(jobs) == {"8"}


def test_cancelled_job_that_never_ran_was_not_started():
    (job,) = read_squeue(listed(record(state="CANCELLED", nodes="")), "f00d").values()
    assert (job.status.started, job.status.exit_code) == (None, None)
    assert job.status.reason == "cancelled"


def test_accounting_is_read_with_the_last_of_several_ends():
    def line(native_id, state, code):
        values = (native_id, state, "None", "2026-11-20T17:10:18", "2026-11-20T17:10:19", "n1")
        return SEPARATOR.join((*values, f"a.{MARK}", code)) + "\n"

    jobs = read_sacct(line("7", "REQUEUED", "0:0") + line("7", "FAILED", "3:0") + "junk\n")
    assert (jobs["7"].status.exit_code, jobs["7"].tag) == (3, MARK)
    assert read_sacct(line("8", "CANCELLED by 0", "0:15"))["8"].status.reason == "cancelled"
    assert read_sacct(line("9", "FAILED", "0:11"))["9"].status.signal == 11


def test_shown_job_is_read_without_trusting_what_users_wrote():
    line = (
        f"JobId=7 JobName=a.{MARK} UserId=x(1) JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0 "
        "StartTime=2026-11-20T17:10:18 EndTime=2026-11-20T17:10:19 ReqNodeList=(null) NodeList=n1 "
        "Comment=JobState=COMPLETED ExitCode=0:0"
    )
    job = read_shown(line + "\nnonsense\n")["7"]
    assert (job.status.state, job.status.exit_code, job.tag) == (EngineState.ENDED, 3, MARK)
    assert job.status.node == "n1"


def test_nodes_are_read():
    text = (
        "NodeName=n1 CPUAlloc=1 CPUTot=4 CPULoad=2.38 ActiveFeatures=a,b Gres=gpu:tesla:2(S:0) "
        "RealMemory=2000 State=MIXED Partitions=batch,long \n"
        "NodeName=n2 CPUAlloc=0 CPUTot=4 CPULoad=N/A ActiveFeatures=(null) Gres=(null) "
        'RealMemory=2000 State=IDLE+DRAIN Partitions=x Reason=paint; the "door" ä State=IDLE '
        "[root@2026-11-20T17:17:01]\n"
        "NodeName=n3 CPUTot=4 State=IDLE* \nRubbish\n"
    )
    first, second, third = read_nodes(text)
    assert (first.slots, first.slots_used, first.load, first.gpus) == (4, 1, 2.38, 2)
    assert (first.features, first.queues, first.online) == (("a", "b"), ("batch", "long"), True)
    assert (second.online, second.reason) == (False, 'paint; the "door" ä State=IDLE')
    assert (third.online, third.load) == (False, None)


def test_jobs_of_others_are_listed_with_owner_and_queue_and_ours_are_not():
    text = listed(record("7"), record("8", "PENDING", name="by\x1fhand\nrm -rf"))
    jobs = read_squeue(text, "f00d")
    assert jobs["7"].foreign is None
    found = jobs["8"].foreign
    assert (found.native_id, found.owner, found.queue) == ("8", "ana", "short")
    assert found.name == "by\x1fhand\nrm -rf"
    assert found.submitted == datetime(2026, 11, 20, 17, 10, 18, tzinfo=UTC)
    assert found.status.state is EngineState.QUEUED
