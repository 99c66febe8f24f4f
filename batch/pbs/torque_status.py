"""What Torque's states and exit statuses mean."""

from __future__ import annotations

import re

from batch.engine import EngineState, JobStatus
from batch.pbs import job as values
from batch.pbs.job import PbsJob
from batch.reading import whole
from batch.witness import CANCELLED

# qstat(1B), job_state
_STATES = {
    "Q": EngineState.QUEUED,
    "W": EngineState.QUEUED,
    "T": EngineState.QUEUED,
    "R": EngineState.RUNNING,
    "E": EngineState.RUNNING,
    "S": EngineState.SUSPENDED,
    "C": EngineState.ENDED,
}
# pbs_job.h, JOB_EXEC_…; -10, -11 and -12 are limits.
_FAILURES = {
    -1: "the node could not prepare it",
    -2: "the node's prologue refused it",
    -3: "the node could not run it",
    -4: "its node was started anew",
    -5: "its node was started anew",
    -6: "its node was started anew",
    -7: "its node was started anew",
    -8: "the node could not start its shell",
    -9: "the node could not create its output",
    -13: "the node could not limit it",
    -14: "the node's prologue refused it",
}
_DELETED_FOR = re.compile(r"Job deleted as result of dependency on job ([0-9A-Za-z\[\]_.-]{1,100})")
_SIGNALLED = 256
_PUT_OFF = -14
_ORDINARY = "Not Running: Not enough of the right type of nodes are available"


def status(job: PbsJob) -> JobStatus:
    """How a job is; of what is not known of it, nothing."""
    if job.state == "H":
        return JobStatus(state=_held(job))
    state = _STATES.get(job.state, EngineState.UNKNOWN)
    if state is EngineState.QUEUED:
        return JobStatus(state=state, reason=_kept_by(job))
    attributes = job.attributes
    if state is EngineState.ENDED:
        return _ended(job)
    if state not in (EngineState.RUNNING, EngineState.SUSPENDED):
        return JobStatus(state=state)
    return JobStatus(
        state=state,
        started=values.instant(attributes.get("start_time")),
        node=values.first_host(attributes.get("exec_host", "")),
    )


def _kept_by(job: PbsJob) -> str:
    """What keeps a job in the queue, unless it is only that others use the nodes."""
    if whole(job.attributes.get("exit_status")) == _PUT_OFF:
        return "a node's prologue put it off"
    comment = job.shown("comment")
    return comment if comment.startswith("Not Running") and comment != _ORDINARY else ""


def _held(job: PbsJob) -> EngineState:
    """Held by somebody; a job that waits for another or for its array's turn is only queued."""
    holds = set(job.attributes.get("Hold_Types", ""))
    waits = {"l"} | ({"s"} if job.attributes.get("depend") else set())
    return EngineState.QUEUED if holds and holds <= waits else EngineState.HELD


def _ended(job: PbsJob) -> JobStatus:
    attributes = job.attributes
    # Only here: while a job that was run again runs, it has the exit status of its former run.
    code = whole(attributes.get("exit_status"))
    is_signal = code is not None and code > _SIGNALLED
    memory = values.size_bytes(attributes.get("resources_used.mem"))
    return JobStatus(
        state=EngineState.ENDED,
        exit_code=code if code is not None and 0 <= code <= _SIGNALLED - 1 else None,
        signal=code - _SIGNALLED if code is not None and is_signal else None,
        reason=_reason(job, code),
        started=values.instant(attributes.get("start_time")) if code is not None else None,
        ended=values.instant(attributes.get("comp_time") or attributes.get("mtime")),
        cpu_seconds=values.seconds(attributes.get("resources_used.cput")),
        peak_memory_bytes=memory or None,
        node=values.first_host(attributes.get("exec_host", "")),
    )


def _reason(job: PbsJob, code: int | None) -> str:
    attributes = job.attributes
    dependency = _DELETED_FOR.match(attributes.get("comment", ""))
    if dependency:
        return f"the job it had to wait for did not end as it should: {dependency[1]}"
    if code is None or code > _SIGNALLED:
        return CANCELLED
    if code == -11:
        limit = values.seconds(attributes.get("Resource_List.walltime"))
        return values.reason_with_limit("wall time", limit, "s")
    if code == -12:
        limit = values.seconds(attributes.get("Resource_List.cput"))
        return values.reason_with_limit("CPU time", limit, "s")
    if code == -10:
        limit_bytes = values.size_bytes(attributes.get("Resource_List.vmem"))
        limit = None if limit_bytes is None else limit_bytes / 2**20
        return values.reason_with_limit("virtual memory", limit, "MiB")
    if code < 0:
        return _FAILURES.get(code, f"the batch system could not run it (code {code})")
    return ""
