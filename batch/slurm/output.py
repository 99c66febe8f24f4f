"""What squeue, scontrol and sacct print, in the formats that the engine asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from batch.batch_system import ListedJob
from batch.engine import EngineState, ForeignJob, JobStatus, Node
from batch.reading import decimal, tag_at_end, whole

SEPARATOR = "\x1f"
SQUEUE_FIELDS = ("%i", "%T", "%r", "%S", "%e", "%N", "%u", "%P", "%V", "%j")
SACCT_FIELDS = ("JobID", "State", "Reason", "Start", "End", "NodeList", "JobName", "ExitCode")
ID = re.compile(r"[0-9]+(_[0-9]+)?")

# squeue(1), JOB STATE CODES
_STATES = {
    "PENDING": EngineState.QUEUED,
    "CONFIGURING": EngineState.QUEUED,
    "REQUEUED": EngineState.QUEUED,
    "REQUEUE_HOLD": EngineState.HELD,
    "SPECIAL_EXIT": EngineState.HELD,
    "RESV_DEL_HOLD": EngineState.HELD,
    "RUNNING": EngineState.RUNNING,
    "COMPLETING": EngineState.RUNNING,
    "SIGNALING": EngineState.RUNNING,
    "STAGE_OUT": EngineState.RUNNING,
    "RESIZING": EngineState.RUNNING,
    "SUSPENDED": EngineState.SUSPENDED,
    "STOPPED": EngineState.SUSPENDED,
    "COMPLETED": EngineState.ENDED,
    "FAILED": EngineState.ENDED,
    "CANCELLED": EngineState.ENDED,
    "TIMEOUT": EngineState.ENDED,
    "NODE_FAIL": EngineState.ENDED,
    "PREEMPTED": EngineState.ENDED,
    "OUT_OF_MEMORY": EngineState.ENDED,
    "BOOT_FAIL": EngineState.ENDED,
    "DEADLINE": EngineState.ENDED,
}
_ENDS = {
    "CANCELLED": "cancelled",
    "TIMEOUT": "wall time limit of the batch system",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "ended in favour of another job",
    "OUT_OF_MEMORY": "memory limit of the batch system",
    "BOOT_FAIL": "its node could not be started",
    "DEADLINE": "its deadline has passed",
}
_HELD = {
    "JobHeldUser",
    "JobHeldAdmin",
    "job_requeued_in_held_state",
    "launch_failed_requeued_held",
}
_ORDINARY = {"", "None", "Priority", "Resources", "BeginTime", "Dependency", "JobArrayTaskLimit"}
_OFF = {"DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "MAINT", "NOT_RESPONDING"}
_OFF |= {"POWERED_DOWN", "POWERING_DOWN", "REBOOT", "FUTURE", "ERROR", "INVAL", "UNKNOWN"}


def read_squeue(text: str, start: str) -> dict[str, ListedJob]:
    """Read a listing whose records begin with ``start``; what is no record is passed over."""
    jobs = {}
    for record in text.split(start + SEPARATOR)[1:]:
        values = record.split(SEPARATOR, len(SQUEUE_FIELDS) - 1)
        if len(values) != len(SQUEUE_FIELDS) or not ID.fullmatch(values[0]):
            continue
        native_id, state, reason, started, ended, nodes, owner, queue, submitted, name = values
        status = _status(state, reason, nodes, started, ended)
        tag = tag_at_end(name)
        foreign = ForeignJob(
            native_id=native_id,
            name=name.strip(),
            owner=owner,
            queue=queue,
            status=status,
            submitted=_instant(submitted),
        )
        jobs[native_id] = ListedJob(
            native_id=native_id, tag=tag, status=status, foreign=None if tag else foreign
        )
    return jobs


def read_sacct(text: str) -> dict[str, ListedJob]:
    """Read what accounting says; of a job that was requeued the last end counts."""
    jobs = {}
    for line in text.splitlines():
        values = line.split(SEPARATOR)
        if len(values) != len(SACCT_FIELDS) or not ID.fullmatch(values[0]):
            continue
        native_id, state, reason, started, ended, nodes, name, code = values
        status = _status(state.partition(" ")[0], reason, nodes, started, ended, code)
        jobs[native_id] = ListedJob(native_id=native_id, tag=tag_at_end(name), status=status)
    return jobs


def read_shown(text: str) -> dict[str, ListedJob]:
    """Read ``scontrol -o show job``: the fields that stand before anything a user wrote."""
    jobs = {}
    for line in text.splitlines():
        one = dict(_pairs(line, ("JobId", "ArrayJobId", "ArrayTaskId", "JobName")))
        rest = dict(_pairs(line, ("JobState", "Reason", "ExitCode", "StartTime", "EndTime")))
        rest |= dict(_pairs(line, (" NodeList",)))
        native_id = one.get("JobId", "")
        if one.get("ArrayJobId"):
            native_id = f"{one['ArrayJobId']}_{one.get('ArrayTaskId', '')}"
        if not ID.fullmatch(native_id):
            continue
        nodes = rest.get(" NodeList", "").replace("(null)", "")
        status = _status(
            rest.get("JobState", ""),
            rest.get("Reason", ""),
            nodes,
            rest.get("StartTime", ""),
            rest.get("EndTime", ""),
            rest.get("ExitCode", ""),
        )
        jobs[native_id] = ListedJob(
            native_id=native_id, tag=tag_at_end(one.get("JobName", "")), status=status
        )
    return jobs


def read_nodes(text: str) -> list[Node]:
    """Read ``scontrol -o show node``; a line without a name is passed over."""
    nodes = []
    for line in text.splitlines():
        head, _, tail = line.partition(" Reason=")
        found = dict(re.findall(r"(\w+)=(\S*)", head))
        if not found.get("NodeName"):
            continue
        state = found.get("State", "")
        gpus = re.search(r"gpu(?::[A-Za-z][^:,()]*)?:(\d+)", found.get("Gres", ""))
        nodes.append(
            Node(
                name=found["NodeName"],
                online=not _OFF & set(state.rstrip("*~#!%$@^-").split("+")) and "*" not in state,
                slots=whole(found.get("CPUTot")) or 0,
                slots_used=whole(found.get("CPUAlloc")) or 0,
                load=decimal(found.get("CPULoad")),
                memory_bytes=(whole(found.get("RealMemory")) or 0) * 2**20 or None,
                state=state,
                reason=re.sub(r" \[[^\[\]]*\]\s*$", "", tail).strip(),
                gpus=int(gpus[1]) if gpus else 0,
                features=_words(found.get("ActiveFeatures")),
                queues=_words(found.get("Partitions")),
            )
        )
    return nodes


def _status(
    state: str, reason: str, nodes: str, started: str, ended: str, code: str = ""
) -> JobStatus:
    known = _STATES.get(state, EngineState.UNKNOWN)
    if known is EngineState.QUEUED:
        if reason.replace(" ", "_") in _HELD:
            return JobStatus(state=EngineState.HELD)
        return JobStatus(state=known, reason="" if reason in _ORDINARY else reason)
    has_run = bool(nodes) and known is not EngineState.HELD
    exit_code, number = _exit(code) if known is EngineState.ENDED else (None, None)
    why = _ENDS.get(state, "")
    if reason == "DependencyNeverSatisfied":
        why = "cancelled: what it waits for can never be"
    return JobStatus(
        state=known,
        exit_code=exit_code if has_run and state != "CANCELLED" else None,
        signal=number,
        reason=why,
        started=_instant(started) if has_run else None,
        ended=_instant(ended) if known is EngineState.ENDED else None,
        node=nodes or None,
    )


def _exit(code: str) -> tuple[int | None, int | None]:
    """An exit code as "3:0", or a signal as "0:9"."""
    if not re.fullmatch(r"\d{1,3}:\d{1,3}", code):
        return None, None
    first, second = map(int, code.split(":"))
    return (None, second) if second else (first, None)


def _pairs(line: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The first ``name=value`` of each name; values are without blanks."""
    for name in names:
        found = re.search(rf"(?:^|\s|(?<= )){re.escape(name.strip())}=(\S*)", line)
        if found:
            yield name, found[1]


def _instant(text: str) -> datetime | None:
    """A time as Slurm prints it; its commands run in UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _words(text: str | None) -> tuple[str, ...]:
    return () if text in (None, "", "(null)") else tuple(str(text).split(","))
