"""What condor_q, condor_history and condor_status print with ``-json``: lists of ClassAds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from batch.batch_system import ListedJob
from batch.engine import EngineState, JobStatus, Node
from batch.reading import tag_at_end
from batch.witness import CANCELLED
from ijp.errors import EngineError

JOB_ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "JobStatus",
    "JobBatchName",
    "HoldReason",
    "HoldReasonCode",
    "RemoveReason",
    "ExitBySignal",
    "ExitCode",
    "ExitSignal",
    "JobCurrentStartDate",
    "CompletionDate",
    "RemoteHost",
    "LastRemoteHost",
)
NODE_ATTRIBUTES = (
    "Machine",
    "SlotType",
    "State",
    "Cpus",
    "TotalSlotCpus",
    "TotalLoadAvg",
    "TotalMemory",
    "TotalGPUs",
)

# HTCondor Manual, Appendix "Job ClassAd Attributes": JobStatus
_REMOVED, _COMPLETED, _HELD = 3, 4, 5
_STATES = {
    1: EngineState.QUEUED,
    2: EngineState.RUNNING,
    _REMOVED: EngineState.ENDED,
    _COMPLETED: EngineState.ENDED,
    _HELD: EngineState.HELD,
    6: EngineState.RUNNING,
    7: EngineState.SUSPENDED,
}
# HoldReasonCode: by a user, submitted on hold.
_BY_WISH = (1, 15)
_MOST_TEXT = 300
_MIB = 2**20


def read_jobs(text: str, command: str) -> dict[str, ListedJob]:
    """The jobs by id, such as "17.0"; what is no job is passed over.

    Raises:
        EngineError: This is not what the command prints.
    """
    jobs = {}
    for ad in _ads(text, command):
        cluster, process = _whole(ad, "ClusterId"), _whole(ad, "ProcId")
        if cluster is None or process is None:
            continue
        native_id = f"{cluster}.{process}"
        tag = tag_at_end(_text(ad, "JobBatchName"))
        jobs[native_id] = ListedJob(native_id=native_id, tag=tag, status=_status(ad))
    return jobs


def read_nodes(text: str) -> list[Node]:
    """The machines that have slots.

    Raises:
        EngineError: This is not what condor_status prints.
    """
    slots: dict[str, list[Mapping[str, Any]]] = {}
    for ad in _ads(text, "condor_status"):
        # Dynamic slots are parts of partitionable ones, which count them.
        if _text(ad, "Machine") and _text(ad, "SlotType") != "Dynamic":
            slots.setdefault(_text(ad, "Machine"), []).append(ad)
    return [_node(name, ads) for name, ads in slots.items()]


def _node(name: str, ads: list[Mapping[str, Any]]) -> Node:
    states = [_text(ad, "State") for ad in ads]
    memory = _whole(ads[0], "TotalMemory")
    load = ads[0].get("TotalLoadAvg")
    return Node(
        name=name,
        online=any(state not in ("Drained", "Owner") for state in states),
        slots=sum(_whole(ad, "TotalSlotCpus") or 0 for ad in ads),
        slots_used=sum(_used(ad) for ad in ads),
        load=float(load) if isinstance(load, (int, float)) else None,
        memory_bytes=None if memory is None else memory * _MIB,
        state=" ".join(sorted(set(states))),
        gpus=_whole(ads[0], "TotalGPUs") or 0,
    )


def _used(ad: Mapping[str, Any]) -> int:
    cores = _whole(ad, "TotalSlotCpus") or 0
    if _text(ad, "SlotType") == "Partitionable":
        return cores - (_whole(ad, "Cpus") or 0)
    return cores if _text(ad, "State") == "Claimed" else 0


def _status(ad: Mapping[str, Any]) -> JobStatus:
    number = _whole(ad, "JobStatus")
    state = _STATES.get(number or 0, EngineState.UNKNOWN)
    host = _text(ad, "RemoteHost") or _text(ad, "LastRemoteHost")
    node = host.rpartition("@")[2] or None
    started = _instant(ad, "JobCurrentStartDate")
    if number == _REMOVED:
        if _text(ad, "RemoteHost"):
            return JobStatus(state=EngineState.RUNNING, started=started, node=node)
        return JobStatus(state=state, reason=_removed(ad), started=started, node=node)
    if number == _HELD:
        why = "" if _whole(ad, "HoldReasonCode") in _BY_WISH else _text(ad, "HoldReason")
        return JobStatus(state=state, reason=why[:_MOST_TEXT])
    if state in (EngineState.QUEUED, EngineState.UNKNOWN):
        return JobStatus(state=state)
    if number != _COMPLETED:
        return JobStatus(state=state, started=started, node=node)
    by_signal = ad.get("ExitBySignal") is True
    return JobStatus(
        state=state,
        exit_code=None if by_signal else _whole(ad, "ExitCode"),
        signal=_whole(ad, "ExitSignal") if by_signal else None,
        started=started,
        ended=_instant(ad, "CompletionDate"),
        node=node,
    )


def _removed(ad: Mapping[str, Any]) -> str:
    why = _text(ad, "RemoveReason")
    if "PeriodicRemove" in why:
        return "wall time limit of the batch system"
    return CANCELLED if not why or why.startswith("via condor_rm") else why[:_MOST_TEXT]


def _ads(text: str, command: str) -> Iterator[Mapping[str, Any]]:
    """The ads; where there are none, the commands print nothing at all."""
    try:
        found = json.loads(text) if text.strip() else []
    except ValueError as error:
        raise EngineError(f"cannot read what {command} printed: {error}") from error
    if not isinstance(found, list):
        raise EngineError(f"cannot read what {command} printed: no list of ClassAds")
    return (one for one in found if isinstance(one, dict))


def _text(ad: Mapping[str, Any], name: str) -> str:
    value = ad.get(name)
    return value if isinstance(value, str) else ""


def _whole(ad: Mapping[str, Any], name: str) -> int | None:
    value = ad.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _instant(ad: Mapping[str, Any], name: str) -> datetime | None:
    seconds = _whole(ad, name)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, OSError, ValueError):
        return None
