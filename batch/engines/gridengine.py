"""Grid Engine (Sun's, Son of, Univa's, Altair's), by its commands.

A job's name ends in its mark. A job that has ended leaves the queue at once, so how it ended is
asked of ``qacct``, and only where the runner's record does not tell. Times that Grid Engine prints
have no zone; its commands run in UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from lxml import etree

from batch.command import CommandFailedError
from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import Capability, EngineState, JobSpec, JobStatus, Node, When
from batch.reading import decimal, tag_at_end, whole
from batch.resources import RESOURCE_NAMES
from ijp.errors import BadRequestError, EngineError

_ID = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_RESCHEDULED = 25
_WALL_TIME = 37
_DURING_JOB = 100
_SPARE_SECONDS = 60
_OFF = set("duEoDCSs")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_XML = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
# Before the first job has ended there is no file.
_NOT_ACCOUNTED = re.compile("not found|No such file or directory")
_REFUSED = re.compile(
    r"unknown (queue|resource|project)|job rejected|was rejected|not a valid|"
    r"parallel environment|invalid option|may not submit|has no permission",
    re.IGNORECASE,
)


class GridEngine(CommandEngine):
    """Jobs on Grid Engine.

    Settings beside those of all command engines: ``parallel_environment`` (for jobs of several
    cores, "smp"; it has to keep them on one host), ``memory_resource`` (the complex that is asked
    for a job's memory, such as "mem_free"; none by default, the runner keeps the limit),
    ``gpu_resource`` ("gpu"), ``requeue`` (whether a job may be started again, false) and ``verify``
    (whether a job is refused that no queue can ever run, false: Grid Engine then takes resources
    whose amount only the load of a host tells, such as mem_free, for missing).
    """

    name: ClassVar[str] = "gridengine"
    capabilities = frozenset(Capability) - {Capability.WAKES, Capability.OTHERS}
    resource_names: ClassVar[frozenset[str]] = RESOURCE_NAMES - {"nodes"}
    job_id_text: ClassVar[str] = "$JOB_ID$(test x$SGE_TASK_ID = xundefined || echo .$SGE_TASK_ID)"
    task_index_text: ClassVar[str] = "$SGE_TASK_ID"
    submitted: ClassVar[re.Pattern[str]] = re.compile(r"^\s*([0-9]+)(?:\.\S*)?\s*$")
    refused: ClassVar[re.Pattern[str] | None] = _REFUSED
    element_separator: ClassVar[str] = "."
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cancel": ("qdel",),
        "hold": ("qhold",),
        "release": ("qrls",),
        "suspend": ("qmod", "-sj"),
        "resume": ("qmod", "-usj"),
        "requeue": ("qmod", "-rj"),
    }
    # qalter -l would replace all limits, not only one.
    alterable: ClassVar[frozenset[str]] = frozenset({"queue", "account"})
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {
        "parallel_environment": "smp",
        "memory_resource": "",
        "gpu_resource": "gpu",
        "requeue": False,
        "verify": False,
    }

    def submit_arguments(self, request: Request) -> list[str]:
        limits = request.spec.resources
        log = str(request.log)
        if set(log) & set(":,$"):
            raise BadRequestError(f"Grid Engine cannot be given a path with : , or $: {log!r}")
        arguments = ["qsub", "-terse", "-N", f"{request.label}.{request.tag}", "-wd", "/"]
        arguments += ["-o", log if request.size is None else f"{log}-$TASK_ID", "-j", "y"]
        arguments += ["-S", "/bin/sh", "-notify"]
        arguments += ["-w", "e" if self.settings.own["verify"] else "n"]
        arguments += ["-r", "y" if self.settings.own["requeue"] else "n"]
        slots = limits.cores_per_node
        if slots > 1:
            arguments += ["-pe", str(self.settings.own["parallel_environment"]), str(slots)]
        for limit in self._limits(request.spec):
            arguments += ["-l", limit]
        if limits.queue:
            arguments += ["-q", limits.queue]
        if limits.account:
            arguments += ["-P", limits.account]
        if request.size is not None:
            arguments += ["-t", f"1-{request.size}"]
        if request.after:
            arguments += ["-hold_jid", ",".join(_waited_for(request))]
        return [*arguments, *request.options, str(request.script)]

    def listing(self) -> dict[str, ListedJob]:
        return read_qstat(self.run(["qstat", "-xml", "-r", "-g", "d", "-u", "*"]).stdout)

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        found: dict[str, ListedJob] = {}
        for one in native_ids:
            parts = _ID.fullmatch(one)
            if parts is None:
                continue
            task = ["-t", parts[2]] if parts[2] else []
            try:
                found |= read_qacct(self.run(["qacct", "-j", parts[1], *task]).stdout)
            except CommandFailedError as error:
                if not _NOT_ACCOUNTED.search(error.message):
                    raise
        return {one: found[one] for one in native_ids if one in found}

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        options = {"queue": "-q", "account": "-P"}
        words = [word for name, value in sorted(changes.items()) for word in (options[name], value)]
        return ["qalter", *words, native_id]

    def nodes(self) -> list[Node]:
        return read_qhost(self.run(["qhost", "-q", "-xml"]).stdout)

    def set_offline(self, node: str, reason: str) -> None:
        """As the contract says; Grid Engine has no place for the reason."""
        self._set_node(node, "-d")

    def set_online(self, node: str) -> None:
        self._set_node(node, "-e")

    def _set_node(self, node: str, change: str) -> None:
        self.check_node(node)
        self.run(["qmod", change, f"*@{node}"])

    def _limits(self, spec: JobSpec) -> Iterator[str]:
        """What is asked for with -l, where amounts are counted for each slot."""
        limits = spec.resources
        slots = limits.cores_per_node
        own = self.settings.own
        if limits.wall_seconds:
            yield f"h_rt={limits.wall_seconds + _SPARE_SECONDS}"
        if limits.virtual_memory_mib:
            yield f"h_vmem={math.ceil(limits.virtual_memory_mib / slots)}M"
        if limits.memory_mib and own["memory_resource"]:
            yield f"{own['memory_resource']}={math.ceil(limits.memory_mib / slots)}M"
        if limits.gpus:
            yield f"{own['gpu_resource']}={limits.gpus}"
        for feature in limits.features:
            yield f"{feature}=TRUE"


def _waited_for(request: Request) -> Iterator[str]:
    for one, when in request.after:
        if when is not When.ENDED:
            raise BadRequestError(
                f"Grid Engine can wait until a job has ended, not until it has {when.value}"
            )
        yield one


def read_qstat(text: str) -> dict[str, ListedJob]:
    """Read ``qstat -xml -r -g d``.

    Raises:
        EngineError: This is not qstat's XML.
    """
    jobs = {}
    for one in _parsed(text, "qstat").iter("job_list"):
        number = one.findtext("JB_job_number", "").strip()
        task = one.findtext("tasks", "").strip()
        native_id = f"{number}.{task}" if task else number
        if not _ID.fullmatch(native_id):
            continue
        name = one.findtext("full_job_name") or one.findtext("JB_name") or ""
        jobs[native_id] = ListedJob(
            native_id=native_id,
            tag=tag_at_end(name),
            status=JobStatus(
                state=_state(
                    one.findtext("state", ""), waits=one.find("predecessor_jobs_req") is not None
                ),
                started=_instant(one.findtext("JAT_start_time", "")),
                node=one.findtext("queue_name", "").partition("@")[2] or None,
                reason=_REASONS.get(one.findtext("state", ""), ""),
            ),
        )
    return jobs


_REASONS = {
    "Eqw": "the batch system could not start it and waits for an administrator",
    "Ehqw": "the batch system could not start it and waits for an administrator",
}


def _state(letters: str, *, waits: bool) -> EngineState:
    """What qstat(1) says of the state letters, of which there are several at a time."""
    known = set("acdEhqrRsStTwz")
    if not letters or set(letters) - known:
        return EngineState.UNKNOWN
    if set(letters) & set("sST"):
        return EngineState.SUSPENDED
    if "q" in letters:
        is_held = "E" in letters or ("h" in letters and not waits)
        return EngineState.HELD if is_held else EngineState.QUEUED
    if set(letters) & set("rtd"):
        return EngineState.RUNNING
    return EngineState.UNKNOWN


def read_qacct(text: str) -> dict[str, ListedJob]:
    """Read ``qacct -j``: of several records of a job the last counts, without reschedulings."""
    jobs = {}
    for block in re.split(r"^=+$", text, flags=re.MULTILINE):
        found = dict(re.findall(r"^(\w+) +(.*?) *$", block, re.MULTILINE))
        failed = whole(found.get("failed", "").partition(":")[0].strip())
        task = found.get("taskid", "undefined")
        native_id = found.get("jobnumber", "") + ("" if task == "undefined" else f".{task}")
        if failed is None or failed == _RESCHEDULED or not _ID.fullmatch(native_id):
            continue
        status = _ended(found, failed)
        tag = tag_at_end(found.get("jobname", ""))
        jobs[native_id] = ListedJob(native_id=native_id, tag=tag, status=status)
    return jobs


def _ended(found: Mapping[str, str], failed: int) -> JobStatus:
    code = whole(found.get("exit_status", ""))
    reason = ""
    if failed == _WALL_TIME:
        reason = "wall time limit of the batch system"
    elif failed not in (0, _DURING_JOB):
        reason = f"the batch system could not run it: {found['failed'].partition(':')[2].strip()}"
    number = code - 128 if failed == _DURING_JOB and code is not None and code > 128 else None
    return JobStatus(
        state=EngineState.ENDED,
        exit_code=code if number is None and not reason else None,
        signal=number,
        reason=reason,
        started=_instant(found.get("start_time", "")),
        ended=_instant(found.get("end_time", "")),
        node=found.get("hostname") or None,
    )


def read_qhost(text: str) -> list[Node]:
    """Read ``qhost -q -xml``.

    Raises:
        EngineError: This is not qhost's XML.
    """
    nodes = []
    for host in _parsed(text, "qhost").iter("host"):
        name = host.get("name", "")
        queues = host.findall("queue")
        if name in ("", "global") or not queues:
            continue
        values = {one.get("name"): one.text or "" for one in host.findall("hostvalue")}
        told = [
            {one.get("name"): one.text or "" for one in queue.findall("queuevalue")}
            for queue in queues
        ]
        states = ["".join((one.get("state_string") or "").split()) for one in told]
        nodes.append(
            Node(
                name=name,
                online=any(not set(state) & _OFF for state in states),
                slots=max(whole(one.get("slots")) or 0 for one in told),
                slots_used=sum(whole(one.get("slots_used")) or 0 for one in told),
                load=decimal(values.get("load_avg")),
                memory_bytes=_bytes(values.get("mem_total", "")),
                state=" ".join(state for state in states if state),
                queues=tuple(queue.get("name", "") for queue in queues),
            )
        )
    return nodes


def _parsed(text: str, command: str) -> etree._Element:
    try:
        return etree.fromstring(text.encode(), _XML)
    except etree.XMLSyntaxError as error:
        raise EngineError(f"cannot read what {command} printed: {error}") from error


def _instant(text: str) -> datetime | None:
    for form in ("%Y-%m-%dT%H:%M:%S", "%a %b %d %H:%M:%S %Y"):
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _bytes(text: str) -> int | None:
    number = decimal(text.rstrip("KMGT"))
    return None if number is None else int(number * _UNITS.get(text[-1:], 1))
