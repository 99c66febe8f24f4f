"""HTCondor, by its commands.

A job's batch name ends in its mark. The listing is one ``condor_q -json`` of the schedd's queue,
which a job leaves as it ends; how it ended is asked of ``condor_history``, and only where the
runner's record does not tell.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import Capability, Node
from batch.htcondor import description
from batch.htcondor.output import JOB_ATTRIBUTES, NODE_ATTRIBUTES, read_jobs, read_nodes
from batch.resources import RESOURCE_NAMES
from ijp.errors import EngineError

_SPARE_SECONDS = 60
_SPARE_VACATE_SECONDS = 5
_ID = re.compile(r"[0-9]+\.[0-9]+")


class HTCondorEngine(CommandEngine):
    """Jobs on HTCondor, in its vanilla universe.

    Settings beside those of all command engines: ``memory_headroom_mib`` (what HTCondor is asked
    for beyond a job's memory limit, which the runner keeps; 64) and ``history`` (whether
    ``condor_history`` is asked how jobs ended that left the queue, true).
    """

    name: ClassVar[str] = "htcondor"
    capabilities = frozenset(Capability) - {
        Capability.WAKES,
        Capability.ACCOUNTING,
        Capability.DEPENDENCIES,
        Capability.NODE_OFFLINE,
        Capability.OTHERS,
    }
    resource_names: ClassVar[frozenset[str]] = RESOURCE_NAMES - {
        "nodes",
        "virtual_memory_mib",
        "queue",
    }
    job_id_text: ClassVar[str] = "$IJP_BATCH_ID"
    task_index_text: ClassVar[str] = "$IJP_TASK"
    # condor_submit -terse: "17.0 - 17.3"
    submitted: ClassVar[re.Pattern[str]] = re.compile(r"^\s*([0-9]+\.0)(?: - [0-9.]+)?\s*$")
    refused: ClassVar[re.Pattern[str] | None] = re.compile(
        r"ERROR: (?:on Line|Parse error|Invalid|Submitting jobs as)|is not (?:a )?valid|"
        r"invalid (?:value|option)|not allowed for security reasons|unrecognized",
        re.IGNORECASE,
    )
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cancel": ("condor_rm",),
        "hold": ("condor_hold",),
        "release": ("condor_release",),
        "suspend": ("condor_suspend",),
        "resume": ("condor_continue",),
        "requeue": ("condor_vacate_job",),
    }
    alterable: ClassVar[frozenset[str]] = frozenset({"wall_seconds", "memory_mib"})
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {
        "memory_headroom_mib": 64,
        "history": True,
    }

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.settings.own["history"]:
            self.capabilities = self.capabilities | {Capability.ACCOUNTING}

    def submit_arguments(self, request: Request) -> list[str]:
        """As the contract says; what is submitted is written beside the script.

        Raises:
            EngineError: It would be a job of root's, which HTCondor would hold.
        """
        if os.geteuid() == 0 and not (request.spec.run_as or self.settings.run_as):
            raise EngineError("HTCondor runs no jobs of root: the engine needs the setting run_as")
        path = request.script.with_name("description")
        text = description.written(self._commands_for(request), request.size or 1)
        try:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
        except OSError as error:
            raise EngineError(f"cannot write {path}: {error}") from error
        return ["condor_submit", "-terse", *request.options, str(path)]

    def _commands_for(self, request: Request) -> dict[str, str]:
        limits = request.spec.resources
        log = description.literal(str(request.log))
        if request.size is not None:
            log += "-$INT(IjpTask)"
        vacate_seconds = math.ceil(self.settings.grace_seconds) + _SPARE_VACATE_SECONDS
        commands = {
            "IjpTask": "$(Process) + 1",
            "universe": "vanilla",
            "executable": description.literal(str(request.script)),
            "transfer_executable": "False",
            "should_transfer_files": "NO",
            "initialdir": "/",
            "getenv": "False",
            "environment": '"IJP_BATCH_ID=$(Cluster).$(Process) IJP_TASK=$INT(IjpTask)"',
            "output": log,
            "error": log,
            "batch_name": f"{request.label}.{request.tag}",
            "notification": "never",
            "job_max_vacate_time": str(vacate_seconds),
            "request_cpus": str(limits.cores_per_node),
        }
        if limits.memory_mib:
            commands["request_memory"] = str(self._memory_mib(limits.memory_mib))
        if limits.gpus:
            commands["request_gpus"] = str(limits.gpus)
        if limits.account:
            commands["accounting_group"] = limits.account
        if limits.features:
            commands["requirements"] = description.needed(limits.features)
        if limits.wall_seconds:
            commands["periodic_remove"] = _too_long(limits.wall_seconds)
        return commands

    def element_id(self, native_id: str, index: int) -> str:
        """The process of the cluster; HTCondor counts them from 0."""
        return f"{native_id.partition('.')[0]}.{index - 1}"

    def array_of(self, element_id: str) -> str:
        return f"{element_id.partition('.')[0]}.0"

    def listing(self) -> dict[str, ListedJob]:
        arguments = ["condor_q", "-allusers", "-json", "-attributes", ",".join(JOB_ATTRIBUTES)]
        return read_jobs(self.run(arguments).stdout, "condor_q")

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        wanted = [one for one in native_ids if _ID.fullmatch(one)]
        if not wanted or not self.settings.own["history"]:
            return {}
        arguments = ["condor_history", "-json", "-attributes", ",".join(JOB_ATTRIBUTES)]
        arguments += ["-limit", str(len(wanted)), *wanted]
        found = read_jobs(self.run(arguments).stdout, "condor_history")
        return {one: found[one] for one in wanted if one in found}

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        words: list[str] = []
        if "memory_mib" in changes:
            words += ["RequestMemory", str(self._memory_mib(changes["memory_mib"]))]
        if "wall_seconds" in changes:
            words += ["PeriodicRemove", _too_long(changes["wall_seconds"])]
        return ["condor_qedit", native_id, *words]

    def nodes(self) -> list[Node]:
        arguments = ["condor_status", "-json", "-attributes", ",".join(NODE_ATTRIBUTES)]
        return read_nodes(self.run(arguments).stdout)

    def _memory_mib(self, wanted: int) -> int:
        return wanted + int(self.settings.own["memory_headroom_mib"])


def _too_long(seconds: int) -> str:
    """For when the runner, which ends the job to the second, cannot."""
    return description.wall_time_passed(seconds + _SPARE_SECONDS)
