"""Reading what HTCondor's commands print."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from batch.engine import EngineState
from batch.htcondor.output import read_jobs, read_nodes
from ijp.errors import EngineError

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"
START = 1_700_000_000


def ads(*changes):
    """A list of jobs; each is what is otherwise than in an ordinary running one."""
    usual = {
        "ClusterId": 7,
        "ProcId": 0,
        "JobStatus": 2,
        "JobBatchName": f"a.{MARK}",
        "JobCurrentStartDate": START,
        "RemoteHost": "slot1_1@n1.example.org",
    }
    return json.dumps([{**usual, **change} for change in changes])


def test_listing_is_read():
    jobs = read_jobs(ads({}, {"ProcId": 3, "JobBatchName": "theirs"}), "condor_q")
    assert {one: job.tag for one, job in jobs.items()} == {"7.0": MARK, "7.3": ""}
    status = jobs["7.0"].status
    assert (status.state, status.node) == (EngineState.RUNNING, "n1.example.org")
    assert status.started == datetime.fromtimestamp(START, UTC)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, EngineState.QUEUED),
        (2, EngineState.RUNNING),
        (4, EngineState.ENDED),
        (5, EngineState.HELD),
        (6, EngineState.RUNNING),
        (7, EngineState.SUSPENDED),
        (8, EngineState.UNKNOWN),
        (0, EngineState.UNKNOWN),
        ("2", EngineState.UNKNOWN),
        (None, EngineState.UNKNOWN),
        (True, EngineState.UNKNOWN),
    ],
)
def test_states_are_translated(number, expected):
    assert read_jobs(ads({"JobStatus": number}), "condor_q")["7.0"].status.state is expected


@pytest.mark.parametrize(
    ("ad", "expected"),
    [
        ({"ExitBySignal": False, "ExitCode": 3}, (3, None)),
        ({"ExitBySignal": True, "ExitSignal": 11, "ExitCode": 0}, (None, 11)),
        ({}, (None, None)),
    ],
)
def test_ends_are_translated(ad, expected):
    ad |= {"JobStatus": 4, "CompletionDate": START + 1}
    status = read_jobs(ads(ad), "condor_history")["7.0"].status
    assert (status.exit_code, status.signal) == expected
    assert status.ended == datetime.fromtimestamp(START + 1, UTC)


@pytest.mark.parametrize(
    ("ad", "state", "reason"),
    [
        ({}, EngineState.RUNNING, ""),
        (
            {"RemoteHost": None, "RemoveReason": "via condor_rm (by user root)"},
            EngineState.ENDED,
            "cancelled",
        ),
        (
            {
                "RemoteHost": None,
                "RemoveReason": "The job attribute PeriodicRemove expression 'x' evaluated to TRUE",
            },
            EngineState.ENDED,
            "wall time limit of the batch system",
        ),
        (
            {"RemoteHost": None, "RemoveReason": "DAG removed it"},
            EngineState.ENDED,
            "DAG removed it",
        ),
    ],
)
def test_removed_job_runs_until_its_machine_has_let_it_go(ad, state, reason):
    status = read_jobs(ads({"JobStatus": 3, **ad}), "condor_q")["7.0"].status
    assert (status.state, status.reason, status.succeeded) == (state, reason, False)


@pytest.mark.parametrize(
    ("code", "expected"), [(1, ""), (15, ""), (13, "no space"), (None, "no space")]
)
def test_why_the_system_holds_a_job_is_told(code, expected):
    ad = {"JobStatus": 5, "HoldReasonCode": code, "HoldReason": "no space"}
    assert read_jobs(ads(ad), "condor_q")["7.0"].status.reason == expected


@pytest.mark.parametrize("text", ["rubbish", "{}", "7", ads({})[:40]])
def test_what_is_no_listing_is_an_error(text):
    with pytest.raises(EngineError, match="cannot read what condor_q printed"):
        read_jobs(text, "condor_q")


@pytest.mark.parametrize("ad", [7, {}, {"ClusterId": "x", "ProcId": 1}, {"ClusterId": 1}])
def test_ad_that_is_no_job_hides_no_other(ad):
    text = json.dumps([ad, *json.loads(ads({}))])
    assert set(read_jobs(text, "condor_q")) == {"7.0"}


def test_no_jobs_are_printed_as_nothing():
    assert read_jobs("", "condor_q") == {}


def test_machines_are_read_with_what_their_slots_use():
    whole = {"SlotType": "Partitionable", "TotalSlotCpus": 8, "State": "Unclaimed"}
    text = json.dumps(
        [
            {"Machine": "n1", **whole, "Cpus": 5, "TotalMemory": 100, "TotalLoadAvg": 0.5},
            {"Machine": "n1", "SlotType": "Dynamic", "TotalSlotCpus": 3, "State": "Claimed"},
            {"Machine": "n2", "SlotType": "Static", "TotalSlotCpus": 1, "State": "Claimed"},
            {"Machine": "n2", "SlotType": "Static", "TotalSlotCpus": 1, "State": "Unclaimed"},
            {"Machine": "n3", **whole, "Cpus": 8, "State": "Drained"},
            {"Name": "no machine"},
        ]
    )
    first, second, third = read_nodes(text)
    assert (first.slots, first.slots_used, first.online, first.load) == (8, 3, True, 0.5)
    assert first.memory_bytes == 100 * 2**20
    assert (second.slots, second.slots_used) == (2, 1)
    assert (third.name, third.online) == ("n3", False)
