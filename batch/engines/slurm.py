"""Slurm, by its commands.

A job's name ends in its mark, for the engine and for operators alike. The listing is one ``squeue``
with a format of its own; its JSON takes twelve times as long and more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from batch.batch_system import AFTER
from batch.command import CommandFailedError
from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import Capability, Node
from batch.resources import RESOURCE_NAMES, whole_minutes
from batch.slurm.output import (
    ID,
    SACCT_FIELDS,
    SEPARATOR,
    SQUEUE_FIELDS,
    read_nodes,
    read_sacct,
    read_shown,
    read_squeue,
)
from ijp.errors import BadRequestError

_SHOW_SINGLY = 20

_REFUSED = re.compile(
    r"invalid (partition|account|qos|feature|generic resource|wckey|reservation)|"
    r"node configuration is not available|specification can not be satisfied|"
    r"more processors requested than|requested time limit is invalid|unrecognized option|"
    r"invalid option|violates accounting/QOS policy|access/permission denied|user not found",
    re.IGNORECASE,
)
_NOT_KNOWN = re.compile(r"Invalid job id|Job \S+ not found", re.IGNORECASE)


class SlurmEngine(CommandEngine):
    """Jobs on Slurm.

    Settings beside those of all command engines: ``accounting`` (whether ``sacct`` answers, false),
    ``requeue`` (whether Slurm may start a job again, as when its node failed, true) and
    ``memory_headroom_mib`` (what Slurm is asked for beyond a job's memory limit, which the runner
    keeps; 64).
    """

    name: ClassVar[str] = "slurm"
    capabilities = frozenset(Capability) - {Capability.WAKES, Capability.ACCOUNTING}
    resource_names: ClassVar[frozenset[str]] = RESOURCE_NAMES - {"virtual_memory_mib"}
    job_id_text: ClassVar[str] = (
        "${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_}${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
    )
    task_index_text: ClassVar[str] = "$SLURM_ARRAY_TASK_ID"
    submitted: ClassVar[re.Pattern[str]] = re.compile(r"^\s*([0-9]+)(?:;.*)?\s*$")
    refused: ClassVar[re.Pattern[str] | None] = _REFUSED
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cancel": ("scancel",),
        "hold": ("scontrol", "hold"),
        "release": ("scontrol", "release"),
        "suspend": ("scontrol", "suspend"),
        "resume": ("scontrol", "resume"),
        "requeue": ("scontrol", "requeue"),
    }
    together: ClassVar[frozenset[str]] = frozenset({"cancel", "hold", "release"})
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
            "time": limits.wall_seconds and whole_minutes(limits.wall_seconds),
            "gres": limits.gpus and f"gpu:{limits.gpus}",
            "partition": limits.queue,
            "account": limits.account,
            "constraint": "&".join(limits.features),
            "array": request.size and f"1-{request.size}",
        }
        arguments += [f"--{name}={value}" for name, value in optional.items() if value]
        if request.after:
            waited = ",".join(f"{AFTER[when]}:{one}" for one, when in request.after)
            arguments += [f"--dependency={waited}", "--kill-on-invalid-dep=yes"]
        return [*arguments, *request.options, str(request.script)]

    def listing(self) -> dict[str, ListedJob]:
        # What others wrote into their jobs cannot look like a record: nobody can guess its start.
        start = secrets.token_hex(8)
        form = SEPARATOR.join((start, *SQUEUE_FIELDS))
        answer = self.run(["squeue", "-h", "-r", "-t", "all", "-o", form])
        return read_squeue(answer.stdout, start)

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        found = self._shown(native_ids)
        left = [one for one in native_ids if one not in found and ID.fullmatch(one)]
        if left and self.settings.own["accounting"]:
            found |= self._accounted(left)
        return found

    def arguments_for_many(self, action: str, native_ids: Sequence[str]) -> list[str]:
        """Elements of an array in one word: one by one, others would start in between."""
        words = together(native_ids)
        if action == "cancel":
            return [*self.actions[action], *words]
        return [*self.actions[action], ",".join(words)]

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        texts = {
            "wall_seconds": lambda value: f"TimeLimit={whole_minutes(value)}",
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
        self.check_node(node)
        self.run(["scontrol", "update", f"NodeName={node}", *changes])

    def _memory_mib(self, wanted: int) -> int:
        return wanted + int(self.settings.own["memory_headroom_mib"])

    def _shown(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        """What Slurm's controller still has of these."""
        wanted = [one for one in native_ids if ID.fullmatch(one)]
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
        arguments = ["sacct", "-X", "-n", "-P", f"--delimiter={SEPARATOR}"]
        arguments += [f"--format={','.join(SACCT_FIELDS)}", f"--jobs={','.join(native_ids)}"]
        return read_sacct(self.run(arguments).stdout)


def together(native_ids: Sequence[str]) -> list[str]:
    """Ids with the elements of each array as in ``17_[1-3,7]``."""
    words: list[str] = []
    arrays: dict[str, list[int]] = {}
    for one in native_ids:
        array, _, index = one.partition("_")
        if index.isdecimal():
            arrays.setdefault(array, []).append(int(index))
        else:
            words.append(one)
    for array, indices in arrays.items():
        ranges: list[list[int]] = []
        for number in sorted(set(indices)):
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
        texts = (str(low) if low == high else f"{low}-{high}" for low, high in ranges)
        words.append(f"{array}_[{','.join(texts)}]")
    return words


def _literal(path: object) -> str:
    """A path in which no "%" is taken for a pattern."""
    text = str(path)
    if "\\" in text:
        raise BadRequestError(f"Slurm cannot be given a path with a backslash: {text!r}")
    return text.replace("%", "%%")
