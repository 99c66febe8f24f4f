"""Slurm, by its commands.

A job's name ends in its mark, for the engine and for operators alike. The listing is one ``squeue``
with a format of its own; its JSON takes twelve times as long and more.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from batch.check import MARK
from batch.command import Answer, CommandFailedError
from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import Capability, EngineState, JobStatus, Node, When
from ijp.errors import BadRequestError, EngineError, NotFoundError

_SEPARATOR = "\x1f"
_SQUEUE_FIELDS = ("%i", "%T", "%r", "%S", "%e", "%N", "%j")
_SACCT_FIELDS = ("JobID", "State", "Reason", "Start", "End", "NodeList", "JobName", "ExitCode")
_SHOW_SINGLY = 20
_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ID = re.compile(r"[0-9]+(_[0-9]+)?")

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
_KINDS = {
    When.SUCCEEDED: "afterok",
    When.FAILED: "afternotok",
    When.ENDED: "afterany",
    When.STARTED: "after",
}
_FOR_GOOD = re.compile(
    r"invalid (partition|account|qos|feature|generic resource|wckey|reservation)|"
    r"node configuration is not available|specification can not be satisfied|"
    r"more processors requested than|requested time limit is invalid|unrecognized option|"
    r"invalid option|violates accounting/QOS policy|access/permission denied|user not found",
    re.IGNORECASE,
)
_NOT_KNOWN = re.compile(r"Invalid job id|Job \S+ not found", re.IGNORECASE)
_OFF = {"DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "MAINT", "NOT_RESPONDING"}
_OFF |= {"POWERED_DOWN", "POWERING_DOWN", "REBOOT", "FUTURE", "ERROR", "INVAL", "UNKNOWN"}


class SlurmEngine(CommandEngine):
    """Jobs on Slurm.

    Settings beside those of all command engines: ``accounting`` (whether ``sacct`` answers, false),
    ``requeue`` (whether Slurm may start a job again, as when its node failed, true) and
    ``memory_headroom_mib`` (what Slurm is asked for beyond a job's memory limit, which the runner
    keeps; 64).
    """

    name: ClassVar[str] = "slurm"
    capabilities = frozenset(Capability) - {Capability.WAKES, Capability.ACCOUNTING}
    resource_names: ClassVar[frozenset[str]] = frozenset(
        {
            "cores",
            "nodes",
            "tasks_per_node",
            "memory_mib",
            "gpus",
            "wall_seconds",
            "cpu_seconds",
            "queue",
            "account",
            "features",
        }
    )
    job_id_text: ClassVar[str] = (
        "${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_}${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
    )
    task_index_text: ClassVar[str] = "$SLURM_ARRAY_TASK_ID"
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cancel": ("scancel",),
        "hold": ("scontrol", "hold"),
        "release": ("scontrol", "release"),
        "suspend": ("scontrol", "suspend"),
        "resume": ("scontrol", "resume"),
        "requeue": ("scontrol", "requeue"),
    }
    alterable: ClassVar[frozenset[str]] = frozenset(
        {"wall_seconds", "memory_mib", "queue", "account", "features"}
    )
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {
        "accounting": False,
        "requeue": True,
        "memory_headroom_mib": 64,
    }

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        if self.settings.own["accounting"]:
            self.capabilities = self.capabilities | {Capability.ACCOUNTING}

    def submit_arguments(self, request: Request) -> list[str]:
        spec = request.spec
        limits = spec.resources
        arguments = [
            "sbatch",
            "--parsable",
            "--export=NONE",
            f"--job-name={request.label}.{request.tag}",
            "--chdir=/",
            "--input=/dev/null",
            f"--output={_literal(request.log)}{'' if request.size is None else '-%a'}",
            "--open-mode=truncate",
            "--requeue" if self.settings.own["requeue"] else "--no-requeue",
            f"--nodes={limits.nodes}",
            f"--ntasks-per-node={limits.tasks_per_node}",
            f"--cpus-per-task={limits.cores}",
        ]
        optional = {
            "mem": limits.memory_mib and f"{self._memory_mib(limits.memory_mib)}M",
            "time": limits.wall_seconds and _minutes(limits.wall_seconds),
            "gres": limits.gpus and f"gpu:{limits.gpus}",
            "partition": limits.queue,
            "account": limits.account,
            "constraint": "&".join(limits.features),
            "array": request.size and f"1-{request.size}",
        }
        arguments += [f"--{name}={value}" for name, value in optional.items() if value]
        if request.after:
            waited = ",".join(f"{_KINDS[when]}:{one}" for one, when in request.after)
            arguments += [f"--dependency={waited}", "--kill-on-invalid-dep=yes"]
        return [*arguments, *request.options, str(request.script)]

    def read_submitted(self, answer: Answer) -> str:
        native_id = answer.stdout.strip().partition(";")[0]
        if not _ID.fullmatch(native_id):
            raise EngineError(f"sbatch gave no job id: {answer.first_line!r}")
        return native_id

    def refused_for_good(self, answer: Answer) -> bool:
        return _FOR_GOOD.search(answer.stderr) is not None

    def element_id(self, native_id: str, index: int) -> str:
        return f"{native_id}_{index}"

    def array_of(self, element_id: str) -> str:
        return element_id.partition("_")[0]

    def listing(self) -> dict[str, ListedJob]:
        # What others wrote into their jobs cannot look like a record: nobody can guess its start.
        start = secrets.token_hex(8)
        form = _SEPARATOR.join((start, *_SQUEUE_FIELDS))
        answer = self.run(["squeue", "-h", "-r", "-t", "all", "-o", form])
        return read_squeue(answer.stdout, start)

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        found = self._shown(native_ids)
        left = [one for one in native_ids if one not in found and _ID.fullmatch(one)]
        if left and self.settings.own["accounting"]:
            found |= self._accounted(left)
        return found

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        texts = {
            "wall_seconds": lambda value: f"TimeLimit={_minutes(value)}",
            "memory_mib": lambda value: f"MinMemoryNode={self._memory_mib(value)}",
            "queue": lambda value: f"Partition={value}",
            "account": lambda value: f"Account={value}",
            "features": lambda value: f"Features={'&'.join(value)}",
        }
        settings = [texts[name](value) for name, value in sorted(changes.items())]
        return ["scontrol", "update", f"JobId={native_id}", *settings]

    def nodes(self) -> list[Node]:
        return read_nodes(self.run(["scontrol", "-o", "show", "node"]).stdout)

    def set_offline(self, node: str, reason: str) -> None:
        why = " ".join(reason.split()) or "set offline by the portal"
        self._set_node(node, "State=DRAIN", f"Reason={why}")

    def set_online(self, node: str) -> None:
        self._set_node(node, "State=RESUME")

    def _set_node(self, node: str, *changes: str) -> None:
        if not _NODE_NAME.fullmatch(node) or node not in {one.name for one in self.nodes()}:
            raise NotFoundError(f"the batch engine {self.name!r} has no node {node!r}")
        self.run(["scontrol", "update", f"NodeName={node}", *changes])

    def _memory_mib(self, wanted: int) -> int:
        return wanted + int(self.settings.own["memory_headroom_mib"])

    def _shown(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        """What Slurm's controller still has of these."""
        wanted = [one for one in native_ids if _ID.fullmatch(one)]
        if len(wanted) > _SHOW_SINGLY:
            found = read_shown(self.run(["scontrol", "-o", "show", "job"]).stdout)
            return {one: found[one] for one in wanted if one in found}
        shown: dict[str, ListedJob] = {}
        for one in wanted:
            try:
                shown |= read_shown(self.run(["scontrol", "-o", "show", "job", one]).stdout)
            except CommandFailedError as error:
                if not _NOT_KNOWN.search(error.message):
                    raise
        return {one: shown[one] for one in wanted if one in shown}

    def _accounted(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        arguments = ["sacct", "-X", "-n", "-P", f"--delimiter={_SEPARATOR}"]
        arguments += [f"--format={','.join(_SACCT_FIELDS)}", f"--jobs={','.join(native_ids)}"]
        return read_sacct(self.run(arguments).stdout)


def read_squeue(text: str, start: str) -> dict[str, ListedJob]:
    """Read a listing whose records begin with ``start``; what is no record is passed over."""
    jobs = {}
    for record in text.split(start + _SEPARATOR)[1:]:
        values = record.split(_SEPARATOR, len(_SQUEUE_FIELDS) - 1)
        if len(values) != len(_SQUEUE_FIELDS) or not _ID.fullmatch(values[0]):
            continue
        native_id, state, reason, started, ended, nodes, name = values
        status = _status(state, reason, nodes, started, ended)
        jobs[native_id] = ListedJob(native_id=native_id, tag=_tag(name), status=status)
    return jobs


def read_sacct(text: str) -> dict[str, ListedJob]:
    """Read what accounting says; of a job that was requeued the last end counts."""
    jobs = {}
    for line in text.splitlines():
        values = line.split(_SEPARATOR)
        if len(values) != len(_SACCT_FIELDS) or not _ID.fullmatch(values[0]):
            continue
        native_id, state, reason, started, ended, nodes, name, code = values
        status = _status(state.partition(" ")[0], reason, nodes, started, ended, code)
        jobs[native_id] = ListedJob(native_id=native_id, tag=_tag(name), status=status)
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
        if not _ID.fullmatch(native_id):
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
            native_id=native_id, tag=_tag(one.get("JobName", "")), status=status
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
                slots=_whole(found.get("CPUTot")) or 0,
                slots_used=_whole(found.get("CPUAlloc")) or 0,
                load=_load(found.get("CPULoad")),
                memory_bytes=(_whole(found.get("RealMemory")) or 0) * 2**20 or None,
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


def _tag(name: str) -> str:
    tag = name.partition("\n")[0].rpartition(".")[2]
    return tag if MARK.fullmatch(tag) else ""


def _pairs(line: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The first ``name=value`` of each name; values are without blanks."""
    for name in names:
        found = re.search(rf"(?:^|\s|(?<= )){re.escape(name.strip())}=(\S*)", line)
        if found:
            yield name, found[1]


def _literal(path: object) -> str:
    """A path in which no "%" is taken for a pattern."""
    text = str(path)
    if "\\" in text:
        raise BadRequestError(f"Slurm cannot be given a path with a backslash: {text!r}")
    return text.replace("%", "%%")


def _minutes(seconds: int) -> int:
    """Slurm counts minutes; the runner ends the job to the second, this is for when it cannot."""
    return math.ceil(seconds / 60) + 1


def _instant(text: str) -> datetime | None:
    """A time as Slurm prints it; its commands run in UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _load(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _words(text: str | None) -> tuple[str, ...]:
    return () if text in (None, "", "(null)") else tuple(str(text).split(","))
