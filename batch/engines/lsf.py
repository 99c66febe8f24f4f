"""IBM Spectrum LSF 10.1, by its commands.

A job's name ends in its mark. The listing is one ``bjobs``, which shows ended jobs for an hour
(``CLEAN_PERIOD``); how one ended that has left it is asked of ``bhist``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from batch.command import CommandFailedError
from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import Capability, Node, When
from batch.lsf.output import (
    DELIMITER,
    HOST_FIELDS,
    ID,
    JOB_FIELDS,
    read_bhist,
    read_bhosts,
    read_bjobs,
    read_bjobs_text,
)
from batch.resources import RESOURCE_NAMES, Resources, whole_minutes
from ijp.errors import BadRequestError, EngineError

_KIB = 1024
_CONDITIONS = {
    When.SUCCEEDED: "done",
    When.FAILED: "exit",
    When.ENDED: "ended",
    When.STARTED: "started",
}
_FEATURE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_JOBS = re.compile(r"No (?:unfinished |matching )?job found", re.IGNORECASE)


class LsfEngine(CommandEngine):
    """Jobs on LSF.

    Settings beside those of all command engines: ``json`` (whether bjobs knows ``-json``, which
    came with Fix Pack 2 of 10.1; true), ``requeue`` (whether LSF may start a job again when its
    host failed, true), ``reserve_memory`` (whether a job's memory is reserved for it, ``rusage``,
    and not only limited; true) and ``memory_headroom_mib`` (what LSF is asked for beyond a job's
    memory limit, which the runner keeps; 64).
    """

    name: ClassVar[str] = "lsf"
    capabilities = frozenset(Capability) - {Capability.WAKES, Capability.OTHERS}
    resource_names: ClassVar[frozenset[str]] = RESOURCE_NAMES - {"virtual_memory_mib"}
    job_id_text: ClassVar[str] = (
        '$LSB_JOBID$(test "${LSB_JOBINDEX:-0}" = 0 || echo "[$LSB_JOBINDEX]")'
    )
    task_index_text: ClassVar[str] = "$LSB_JOBINDEX"
    submitted: ClassVar[re.Pattern[str]] = re.compile(r"Job <([0-9]+)> is submitted to ")
    refused: ClassVar[re.Pattern[str] | None] = re.compile(
        r"no such (?:queue|project|host|user)|bad (?:resource|host|argument|dependency|name)|"
        r"unknown option|illegal|syntax|too many processors|cannot use the queue|"
        r"cannot exceed queue|invalid|permission denied|never satisfied",
        re.IGNORECASE,
    )
    guard: ClassVar[str] = "guard.py"
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cancel": ("bkill",),
        "hold": ("bstop",),
        "release": ("bresume",),
        "suspend": ("bstop",),
        "resume": ("bresume",),
        "requeue": ("brequeue",),
    }
    operator_actions: ClassVar[frozenset[str]] = frozenset()
    alterable: ClassVar[frozenset[str]] = frozenset(
        {"wall_seconds", "memory_mib", "queue", "account"}
    )
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {
        "json": True,
        "requeue": True,
        "reserve_memory": True,
        "memory_headroom_mib": 64,
    }

    def submit_arguments(self, request: Request) -> list[str]:
        limits = request.spec.resources
        elements = "" if request.size is None else f"[1-{request.size}]"
        arguments = ["bsub", "-J", f"{request.label}.{request.tag}{elements}", "-cwd", "/"]
        # LSF would put a report of its own above what the script prints.
        arguments += ["-o", "/dev/null", "-e", "/dev/null"]
        arguments += ["-r" if self.settings.own["requeue"] else "-rn"]
        arguments += ["-n", str(limits.nodes * limits.cores_per_node)]
        for requirement in self._requirements(limits):
            arguments += ["-R", requirement]
        if limits.gpus:
            arguments += ["-gpu", f"num={limits.gpus}"]
        arguments += self._limits({name: getattr(limits, name) for name in limits.asked()})
        if request.after:
            waited = " && ".join(f"{_CONDITIONS[when]}({one})" for one, when in request.after)
            arguments += ["-w", waited, "-ti"]
        return [*arguments, *request.options, _command_line(request)]

    def _requirements(self, limits: Resources) -> list[str]:
        wrong = [one for one in limits.features if not _FEATURE.fullmatch(one)]
        if wrong:
            raise BadRequestError(f"features that are no names of resources of LSF: {wrong}")
        found = [f"select[{' && '.join(limits.features)}]"] if limits.features else []
        on_each = f"ptile={limits.cores_per_node}" if limits.nodes > 1 else "hosts=1"
        found.append(f"span[{on_each}]")
        if limits.memory_mib and self.settings.own["reserve_memory"]:
            found.append(f"rusage[mem={self._memory_mib(limits.memory_mib)}MB]")
        return found

    def _limits(self, asked: Mapping[str, Any]) -> list[str]:
        """What bsub and bmod have the same options for."""
        words: list[str] = []
        if asked.get("memory_mib"):
            words += ["-M", f"{self._memory_mib(asked['memory_mib']) * _KIB}KB"]
        if asked.get("wall_seconds"):
            words += ["-W", str(whole_minutes(asked["wall_seconds"]))]
        for name, option in (("queue", "-q"), ("account", "-P")):
            if asked.get(name):
                words += [option, asked[name]]
        return words

    def element_id(self, native_id: str, index: int) -> str:
        return f"{native_id}[{index}]"

    def array_of(self, element_id: str) -> str:
        return element_id.partition("[")[0]

    def listing(self) -> dict[str, ListedJob]:
        fields = " ".join(JOB_FIELDS)
        if self.settings.own["json"]:
            return read_bjobs(self._asked(["bjobs", "-a", "-u", "all", "-json", "-o", fields]))
        form = f"{fields} delimiter='{DELIMITER}'"
        return read_bjobs_text(self._asked(["bjobs", "-a", "-u", "all", "-noheader", "-o", form]))

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        found: dict[str, ListedJob] = {}
        for one in native_ids:
            if ID.fullmatch(one):
                found |= read_bhist(self._asked(["bhist", "-l", one]))
        return {one: found[one] for one in native_ids if one in found}

    def _asked(self, arguments: Sequence[str]) -> str:
        """What is printed; nothing where LSF calls it an error that there are no jobs."""
        try:
            return self.run(arguments).stdout
        except CommandFailedError as error:
            if _NO_JOBS.search(f"{error.answer.stderr}\n{error.answer.stdout}"):
                return ""
            raise

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        return ["bmod", *self._limits(changes), native_id]

    def nodes(self) -> list[Node]:
        return read_bhosts(self.run(["bhosts", "-json", "-o", " ".join(HOST_FIELDS)]).stdout)

    def set_offline(self, node: str, reason: str) -> None:
        """As the contract says; bhosts does not show the reason again."""
        why = " ".join(reason.split()) or "set offline by the portal"
        self._set_node(node, "hclose", "-C", why)

    def set_online(self, node: str) -> None:
        self._set_node(node, "hopen")

    def _set_node(self, node: str, *change: str) -> None:
        self.check_node(node)
        answer = self.run(["badmin", *change, node])
        if "done" not in answer.stdout:
            raise EngineError(f"badmin {change[0]} {node}: {answer.first_line}")

    def _memory_mib(self, wanted: int) -> int:
        return wanted + int(self.settings.own["memory_headroom_mib"])


def _command_line(request: Request) -> str:
    """What a shell on the node runs."""
    log = shlex.quote(str(request.log))
    if request.size is not None:
        log += '-"$LSB_JOBINDEX"'
    return f"{shlex.quote(str(request.script))} > {log} 2>&1"
