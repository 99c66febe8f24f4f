"""What OpenPBS's states and exit statuses mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from batch.engine import EngineState, JobStatus
from batch.pbs import job as values
from batch.pbs.job import PbsJob
from batch.reading import whole
from batch.witness import CANCELLED

# qstat(1B), job_state; X is a finished element of an array, M a job moved to another server.
_STATES = {
    "Q": EngineState.QUEUED,
    "W": EngineState.QUEUED,
    "T": EngineState.QUEUED,
    "B": EngineState.RUNNING,
    "R": EngineState.RUNNING,
    "E": EngineState.RUNNING,
    "S": EngineState.SUSPENDED,
    "U": EngineState.SUSPENDED,
    "F": EngineState.ENDED,
    "X": EngineState.ENDED,
}
# job.h, JOB_EXEC_…: the limit, and the attribute that has it.
_LIMITS = {
    -24: ("number of CPUs", ""),
    -25: ("number of CPUs", ""),
    -26: ("virtual memory", "Resource_List.vmem"),
    -27: ("memory", "Resource_List.mem"),
    -28: ("CPU time", "Resource_List.cput"),
    -29: ("wall time", "Resource_List.walltime"),
}
_SIGNALLED = 256
_NEVER = "Can Never Run"
_MOMENT = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-3][0-9] [0-9:]{8} [0-9]{4}")


def status(job: PbsJob) -> JobStatus:
    """How a job is; of what is not known of it, nothing."""
    attributes = job.attributes
    if job.state == "H":
        waits = attributes.get("Hold_Types") == "s" and attributes.get("depend")
        return JobStatus(state=EngineState.QUEUED if waits else EngineState.HELD)
    state = _STATES.get(job.state, EngineState.UNKNOWN)
    if state is EngineState.QUEUED:
        comment = job.shown("comment")
        return JobStatus(state=state, reason=comment if comment.startswith(_NEVER) else "")
    if state is EngineState.ENDED:
        return _ended(job)
    if state not in (EngineState.RUNNING, EngineState.SUSPENDED):
        return JobStatus(state=state)
    return JobStatus(
        state=state,
        started=moment(attributes.get("stime", "")),
        node=values.first_host(attributes.get("exec_host", "")),
    )


def moment(text: str) -> datetime | None:
    """Of ``Fri Nov 20 18:46:09 2026``, as commands print it that are told the zone UTC."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None


def _ended(job: PbsJob) -> JobStatus:
    attributes = job.attributes
    code = whole(attributes.get("Exit_status"))
    is_signal = code is not None and code > _SIGNALLED
    memory = values.size_bytes(attributes.get("resources_used.mem"))
    return JobStatus(
        state=EngineState.ENDED,
        exit_code=code if code is not None and 0 <= code < _SIGNALLED else None,
        signal=code - _SIGNALLED if code is not None and is_signal else None,
        reason=_reason(job, code),
        started=moment(attributes.get("stime", "")) if code is not None else None,
        ended=moment(attributes.get("obittime") or attributes.get("mtime", "")),
        cpu_seconds=values.seconds(attributes.get("resources_used.cput")),
        peak_memory_bytes=memory or None,
        node=values.first_host(attributes.get("exec_host", "")),
    )


def _reason(job: PbsJob, code: int | None) -> str:
    if code is None:
        # Deleted before it ran, by somebody or for its dependency: nothing tells which.
        return CANCELLED
    if code > _SIGNALLED:
        return CANCELLED
    if code in _LIMITS:
        kind, name = _LIMITS[code]
        limit = job.attributes.get(name)
        if kind.endswith("memory"):
            size = values.size_bytes(limit)
            return values.reason_with_limit(kind, None if size is None else size / 2**20, "MiB")
        return values.reason_with_limit(kind, values.seconds(limit), "s")
    return f"the batch system could not run it (code {code})" if code < 0 else ""
