"""PSI/J's executors as an engine: systems that PSI/J knows, and this package does not.

PSI/J has no held, suspended or requeued jobs, no arrays and no listing of others' jobs, and its
exit codes are not always those of the jobs. So it submits, is asked for states, and cancels; all
else is told by the job's runner.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from batch.callers.answering import ID
from batch.calling import CallingEngine, shell_command
from batch.command_engine import Request
from batch.engine import EngineState, JobStatus
from batch.resources import RESOURCE_NAMES
from ijp.errors import BadRequestError

_EXECUTOR = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MIB = 2**20
_SPARE_SECONDS = 60
_STATES = {
    "NEW": EngineState.QUEUED,
    "QUEUED": EngineState.QUEUED,
    "HELD": EngineState.HELD,
    "ACTIVE": EngineState.RUNNING,
    "STAGE_IN": EngineState.RUNNING,
    "STAGE_OUT": EngineState.RUNNING,
    "CLEANUP": EngineState.RUNNING,
    "COMPLETED": EngineState.ENDED,
    "FAILED": EngineState.ENDED,
    "CANCELED": EngineState.ENDED,
}


class PsijEngine(CallingEngine):
    """Jobs on what one of PSI/J's executors knows; needs the extra ``psij``.

    Settings beside those of all command engines: ``executor`` ("local", "slurm", "pbs", "lsf",
    …). ``command_folder`` is where the executor finds its system's commands.
    """

    name: ClassVar[str] = "psij"
    helper: ClassVar[str] = "batch.callers.psij"
    guard: ClassVar[str] = "far_guard.py"
    resource_names: ClassVar[frozenset[str]] = RESOURCE_NAMES - {"virtual_memory_mib", "features"}
    submitted: ClassVar[re.Pattern[str]] = re.compile(rf"^({ID.pattern})\n?$")
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {"executor": "local"}

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        executor = self.settings.own["executor"]
        if not _EXECUTOR.fullmatch(executor):
            wrong = f"executor must be the name of one of PSI/J's; it is {executor!r}"
            raise BadRequestError(f"the psij engine's settings: {wrong}")
        if importlib.util.find_spec("psij") is None:
            raise BadRequestError("the psij engine needs PSI/J: pip install 'ijp-server[psij]'")

    def target(self) -> str:
        return f"{self.settings.own['executor']}:{self._folder / 'psij'}"

    def submission(self, request: Request, command: Sequence[str]) -> Mapping[str, Any]:
        limits = request.spec.resources
        resources = {
            "node_count": limits.nodes,
            "processes_per_node": limits.tasks_per_node,
            "cpu_cores_per_process": limits.cores,
            "gpu_cores_per_process": limits.gpus,
            "memory": limits.memory_mib and limits.memory_mib * _MIB * limits.nodes,
        }
        return {
            "name": f"{request.label}.{request.tag}",
            "command": shell_command(command, request.log),
            "resources": {name: value for name, value in resources.items() if value},
            "attributes": {
                name: value
                for name, value in (("queue_name", limits.queue), ("account", limits.account))
                if value
            },
            "wall_seconds": limits.wall_seconds and limits.wall_seconds + _SPARE_SECONDS,
        }

    def translated(self, told: Any) -> JobStatus | None:
        if told == "GONE":
            return None
        return JobStatus(state=_STATES.get(str(told), EngineState.UNKNOWN))
