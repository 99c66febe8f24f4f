"""OpenPBS, by its commands.

It has Torque's commands, and gives other exit codes, options and forms: ``qstat -x`` is the history
and no XML, ``qsub -P`` is a project and no account, times are local.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from batch.command import Answer, CommandFailedError
from batch.command_engine import ListedJob, Request
from batch.engine import Capability, JobStatus, Node
from batch.pbs import openpbs_status
from batch.pbs.engine import PbsEngine
from batch.pbs.job import PbsJob
from batch.pbs.openpbs_json import read_jobs, read_nodes
from batch.resources import Resources
from ijp.errors import EngineError

_NOTE_LENGTH = 200
_FINISHED = 35
_UNKNOWN = 153
_AT_ONCE = 200


class OpenPbsEngine(PbsEngine):
    """Jobs on OpenPBS.

    Settings beside those of all command engines: ``history`` (whether the server keeps ended jobs,
    ``job_history_enable``; true) and ``rerunnable`` (whether it may start a job again, true).
    """

    name: ClassVar[str] = "openpbs"
    capabilities = frozenset(Capability) - {
        Capability.WAKES,
        Capability.ACCOUNTING,
        Capability.OTHERS,
    }
    resource_names: ClassVar[frozenset[str]] = PbsEngine.resource_names - {"features"}
    task_index_text: ClassVar[str] = "$PBS_ARRAY_INDEX"
    alterable: ClassVar[frozenset[str]] = frozenset({"wall_seconds", "cpu_seconds"})
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {"history": True, "rerunnable": True}
    ended_codes: ClassVar[frozenset[int]] = frozenset({_FINISHED})
    final_codes: ClassVar[Mapping[int, str]] = {
        2: "an option that qsub does not take",
        166: "an illegal value",
        170: "no such queue",
        175: "no such account, or not allowed for it",
        187: "no such resource",
    }

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.settings.own["history"]:
            self.capabilities = self.capabilities | {Capability.ACCOUNTING}

    def submit_arguments(self, request: Request) -> list[str]:
        asked = request.spec.resources
        arguments = [*self.common_arguments(request), "-l", _selected(asked)]
        limits = self.limits(self.resource_values(asked))
        if limits:
            listed = ",".join(f"{name}={text}" for name, text in limits.items())
            arguments += ["-l", listed]
        arguments += ["-r", "y" if self.settings.own["rerunnable"] else "n"]
        if request.size is not None:
            arguments += ["-J", f"1-{request.size}"]
        return [*arguments, *request.options, str(request.script)]

    def log_path(self, request: Request) -> str:
        """Elements of an array would write into one file otherwise."""
        return str(request.log) if request.size is None else f"{request.log}.^array_index^"

    def limits(self, resources: Mapping[str, Any]) -> dict[str, str]:
        asked = {}
        if "wall_seconds" in resources:
            asked["walltime"] = str(resources["wall_seconds"])
        if "cpu_seconds" in resources:
            asked["cput"] = str(resources["cpu_seconds"])
        return asked

    def read_jobs(self) -> list[PbsJob]:
        return read_jobs(self.run(["qstat", "-t", "-f", "-F", "json"]).stdout)

    def status_of(self, job: PbsJob) -> JobStatus:
        return openpbs_status.status(job)

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        if not self.settings.own["history"]:
            return {}
        found: dict[str, ListedJob] = {}
        for start in range(0, len(native_ids), _AT_ONCE):
            answer = self._history(native_ids[start : start + _AT_ONCE])
            if answer.stdout.strip():
                listed = (self._listed(job) for job in read_jobs(answer.stdout))
                found.update((one.native_id, one) for one in listed)
        return found

    def _history(self, native_ids: Sequence[str]) -> Answer:
        """Of jobs that are not known any more the exit code tells, and the others are printed."""
        try:
            return self._commands.run(["qstat", "-x", "-f", "-F", "json", *native_ids])
        except CommandFailedError as error:
            if error.answer.exit_code in (_UNKNOWN, _FINISHED):
                return error.answer
            raise

    def nodes(self) -> list[Node]:
        return read_nodes(self.run(["pbsnodes", "-a", "-F", "json"]).stdout)

    def set_offline(self, node: str, reason: str) -> None:
        note = " ".join(reason.split())[:_NOTE_LENGTH]
        self._change_node(["pbsnodes", "-o", *(["-C", note] if note else []), node])

    def set_online(self, node: str) -> None:
        self._change_node(["pbsnodes", "-r", "-C", "", node])

    def _change_node(self, arguments: Sequence[str]) -> None:
        self.check_node(arguments[-1])
        answer = self.run(arguments)
        if answer.stderr.strip():
            raise EngineError(f"pbsnodes: {answer.first_line}")


def _selected(asked: Resources) -> str:
    """As ``select=2:ncpus=4:mpiprocs=2:mem=100mb`` has it: for each node."""
    parts = [f"select={asked.nodes}", f"ncpus={asked.cores_per_node}"]
    if asked.tasks_per_node > 1:
        parts.append(f"mpiprocs={asked.tasks_per_node}")
    if asked.memory_mib is not None:
        parts.append(f"mem={asked.memory_mib}mb")
    if asked.virtual_memory_mib is not None:
        parts.append(f"vmem={asked.virtual_memory_mib}mb")
    if asked.gpus is not None:
        parts.append(f"ngpus={asked.gpus}")
    return ":".join(parts)
