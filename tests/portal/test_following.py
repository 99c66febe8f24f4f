"""What an engine's answer makes of a job (ijp-spec 5; B16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batch.engine import EngineState, JobStatus
from portal.following import Delays, changed, why_ended
from portal.model import JobRow
from portal.states import State

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DELAYS = Delays(lost_after=timedelta(minutes=5), token_grace=timedelta(seconds=30))


def row(state=State.QUEUED, **values):
    return JobRow(id=7, state=state, reason="", resources={}, **values)


@pytest.mark.parametrize(
    ("engine_state", "state"),
    [
        (EngineState.QUEUED, State.QUEUED),
        (EngineState.HELD, State.HELD),
        (EngineState.RUNNING, State.EXECUTING),
        (EngineState.SUSPENDED, State.EXECUTING),
        (EngineState.UNKNOWN, State.UNKNOWN),
    ],
)
def test_state_of_the_engine_is_the_state_of_the_job(engine_state, state):
    change = changed(row(State.STAGING), JobStatus(state=engine_state), NOW, DELAYS)
    assert change.values["state"] == state
    assert change.event


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (JobStatus(state=EngineState.RUNNING, node="n1"), "running on n1"),
        (JobStatus(state=EngineState.SUSPENDED, node="n1"), "suspended on its node"),
        (
            JobStatus(state=EngineState.QUEUED, reason="PartitionConfig"),
            "waiting for a free slot: PartitionConfig",
        ),
        (
            JobStatus(state=EngineState.HELD, reason="launch failed"),
            "on hold until it is released: launch failed",
        ),
    ],
)
def test_what_the_engine_says_of_a_waiting_job_is_told(status, reason):
    assert changed(row(State.STAGING), status, NOW, DELAYS).values["reason"] == reason


def test_nothing_new_changes_nothing():
    job = row(State.QUEUED)
    first = changed(job, JobStatus(state=EngineState.QUEUED), NOW, DELAYS)
    for name, value in first.values.items():
        setattr(job, name, value)
    assert changed(job, JobStatus(state=EngineState.QUEUED), NOW, DELAYS) is None


def test_absent_job_is_unknown_then_lost_and_never_completed():
    job = row(State.EXECUTING)
    first = changed(job, None, NOW, DELAYS)
    assert first.values["state"] == State.UNKNOWN
    job.missing_since = NOW
    assert changed(job, None, NOW + timedelta(minutes=4), DELAYS) is None
    last = changed(job, None, NOW + timedelta(minutes=6), DELAYS)
    assert last.values["failure"].startswith("lost")
    assert last.values["ended_at"] == NOW + timedelta(minutes=6)


def test_absent_job_that_comes_back_is_what_it_is():
    job = row(State.UNKNOWN, missing_since=NOW)
    change = changed(job, JobStatus(state=EngineState.RUNNING), NOW, DELAYS)
    assert change.values["state"] == State.EXECUTING
    assert change.values["missing_since"] is None


def test_end_is_noted_with_the_token_ending_soon():
    status = JobStatus(state=EngineState.ENDED, exit_code=0, started=NOW, ended=NOW)
    change = changed(row(State.EXECUTING), status, NOW, DELAYS)
    assert change.values["failure"] == ""
    assert change.values["token_ends_at"] == NOW + timedelta(seconds=30)
    assert "state" not in change.values


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"exit_code": 0}, ""),
        ({"exit_code": 3}, "the program ended with code 3"),
        ({"signal": 9}, "the program was ended by signal 9 (SIGKILL)"),
        ({"signal": 9, "reason": "memory limit of 512 MiB"}, "memory limit of 512 MiB reached"),
        ({"reason": "wall time limit of 60 s"}, "wall time limit of 60 s reached"),
        ({"exit_code": 127, "reason": "program not found: x"}, "program not found: x"),
        ({}, "the batch system does not say how it ended"),
        ({"exit_code": 0, "reason": "output lost: out"}, "output lost: out"),
    ],
)
def test_end_is_told_in_words(status, words):
    assert why_ended(JobStatus(state=EngineState.ENDED, **status)) == words


def test_success_is_what_the_engine_calls_success():
    for status in (
        JobStatus(state=EngineState.ENDED, exit_code=0),
        JobStatus(state=EngineState.ENDED),
        JobStatus(state=EngineState.ENDED, exit_code=0, reason="cancelled"),
        JobStatus(state=EngineState.ENDED, signal=11),
    ):
        assert (why_ended(status) == "") == status.succeeded
