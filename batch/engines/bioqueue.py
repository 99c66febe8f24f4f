"""Cluster plug-ins of BioQueue as an engine.

Such a plug-in is a Python module with three functions:

* ``submit_job(protocol, job_id, job_step, cpu=0, mem='', vrt_mem='', queue='', log_file='',
  wall_time='', workspace='')`` gives the cluster's id of the job, 0 on failure;
* ``query_job_status(job_id)`` gives 0 (completed), 1 (running), 2 (queued), or a negative number
  on an error;
* ``cancel_job(job_id)`` gives 1 if it was done, 0 if not.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from batch.callers.answering import ID
from batch.calling import CallingEngine, shell_command
from batch.command_engine import Request
from batch.engine import EngineState, JobStatus
from ijp.errors import BadRequestError

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*|/.+\.py")
_STATES = {0: EngineState.ENDED, 1: EngineState.RUNNING, 2: EngineState.QUEUED}


class BioQueueEngine(CallingEngine):
    """Jobs on what a plug-in of BioQueue knows.

    Settings beside those of all command engines: ``plugin`` (the module's name, or the absolute
    path of its file). ``command_folder`` is where the plug-in finds the cluster's commands.

    What the plug-in says is believed only so far: that a job is completed says nothing about
    success, and a negative number not whether the job failed or the question. How a job ended is
    told by its runner; of a job that never began nothing is known then.
    """

    name: ClassVar[str] = "bioqueue"
    helper: ClassVar[str] = "batch.callers.bioqueue"
    resource_names: ClassVar[frozenset[str]] = frozenset(
        {
            "cores",
            "tasks_per_node",
            "memory_mib",
            "virtual_memory_mib",
            "wall_seconds",
            "cpu_seconds",
            "queue",
        }
    )
    submitted: ClassVar[re.Pattern[str]] = re.compile(rf"^({ID.pattern})\n?$")
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {"plugin": ""}

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        plugin = self.settings.own["plugin"]
        if not _MODULE.fullmatch(plugin) or (plugin.startswith("/") and not Path(plugin).is_file()):
            wrong = f"plugin must name a module or an existing file; it is {plugin!r}"
            raise BadRequestError(f"the bioqueue engine's settings: {wrong}")

    def target(self) -> str:
        return str(self.settings.own["plugin"])

    def submission(self, request: Request, command: Sequence[str]) -> Mapping[str, Any]:
        limits = request.spec.resources
        wall = limits.wall_seconds
        return {
            "protocol": shell_command(command, request.log),
            # A number for the job's name in the cluster; the mark is what it is known by.
            "job_id": zlib.crc32(request.tag.encode()),
            "job_step": 1,
            "cpu": limits.cores_per_node,
            "mem": _megabytes(limits.memory_mib),
            "vrt_mem": _megabytes(limits.virtual_memory_mib),
            "queue": limits.queue or "",
            "log_file": f"{request.log}.cluster",
            "wall_time": "" if wall is None else _clock(wall),
            "workspace": str(request.log.parent),
        }

    def translated(self, told: Any) -> JobStatus | None:
        if not isinstance(told, int) or told not in _STATES:
            is_error = isinstance(told, int) and told < 0
            return None if is_error else JobStatus(state=EngineState.UNKNOWN)
        return JobStatus(state=_STATES[told])


def _megabytes(mebibytes: int | None) -> str:
    return "" if mebibytes is None else f"{mebibytes}M"


def _clock(seconds: int) -> str:
    """With a minute to spare: the runner ends the job to the second."""
    minutes, rest = divmod(seconds + 60, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02}"
