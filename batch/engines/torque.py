"""Torque 6, by its commands.

A job's name ends in its mark. The listing is one ``qstat -t -f -x``: for two hundred named jobs it
takes longer than for five thousand at once.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from batch.command import Answer, CommandFailedError
from batch.command_engine import ListedJob, Request
from batch.engine import Capability, JobStatus, Node
from batch.pbs import slurm_commands, torque_status
from batch.pbs.accounting import AccountingFiles, Record
from batch.pbs.engine import PbsEngine
from batch.pbs.job import PbsJob
from batch.pbs.torque_xml import read_jobs, read_nodes
from ijp.errors import EngineError

_NOTE_LENGTH = 200


class TorqueEngine(PbsEngine):
    """Jobs on Torque.

    Settings beside those of all command engines:

    * ``accounting_folder``: ``server_priv/accounting`` as this host sees it; "" (the default) if it
      does not: then only the runner's record tells how a job ended that left the queue;
    * ``memory_resource``: what ``memory_mib`` is asked as, "mem" or "" for nothing. On one node
      Torque makes of it a limit of the data segment of each process, which they meet as a failed
      allocation; the runner ends a job that uses too much in any case;
    * ``proxy``: submit for other accounts as a manager, with ``qsub -P``, rather than as root by
      becoming them (false);
    * ``rerunnable``: whether Torque may start a job again, as operators ask with qrerun (true);
    * ``slurm_commands``: the commands are those that Slurm has under Torque's names, which can
      submit, follow and cancel jobs only (false).
    """

    name: ClassVar[str] = "torque"
    capabilities = frozenset(Capability) - {Capability.WAKES, Capability.ACCOUNTING}
    task_index_text: ClassVar[str] = "$PBS_ARRAYID"
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {
        "accounting_folder": "",
        "memory_resource": "mem",
        "proxy": False,
        "rerunnable": True,
        "slurm_commands": False,
    }
    job_id_text: ClassVar[str] = "${PBS_JOBID:-$SLURM_JOB_ID}"
    ended_codes: ClassVar[frozenset[int]] = frozenset({170})
    final_codes: ClassVar[Mapping[int, str]] = {
        2: "an option that qsub does not take",
        27: "a wrong syntax of nodes",
        154: "an unknown attribute",
        168: "an illegal value",
        172: "no such queue",
        177: "no such account, or not allowed for it",
        189: "no such resource",
        190: "more than the queue allows, or than the nodes have",
        193: "no queue takes it",
        199: "no such group, or not in it",
        235: "an illegal array",
    }

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        self._accounting: AccountingFiles | None = None
        if self.settings.own["accounting_folder"]:
            files = Path(self.settings.own["accounting_folder"])
            self._accounting = AccountingFiles(files, is_ours=self.tag_in)
            self.capabilities = self.capabilities | {Capability.ACCOUNTING}
        self._over_slurm: bool = self.settings.own["slurm_commands"]
        if self._over_slurm:
            self.capabilities = slurm_commands.CAPABILITIES
        self._sees_all = self._over_slurm

    def submit_arguments(self, request: Request) -> list[str]:
        spec = request.spec
        run_as = spec.run_as or self.settings.run_as
        if run_as:
            self._check_that_all_are_seen()
        asked = {"nodes": self.nodes_text(spec.resources)}
        asked |= self.limits(self.resource_values(spec.resources))
        listed = ",".join(f"{name}={text}" for name, text in asked.items())
        arguments = [*self.common_arguments(request), "-l", listed]
        arguments += ["-r", "y" if self.settings.own["rerunnable"] else "n"]
        if self._over_slurm:
            return slurm_commands.checked([*arguments, *request.options, str(request.script)])
        arguments += ["-d", "/"]
        if request.size is not None:
            arguments += ["-t", f"1-{request.size}"]
        if run_as and self.settings.own["proxy"]:
            arguments += ["-P", run_as]
        return [*arguments, *request.options, str(request.script)]

    def limits(self, resources: Mapping[str, Any]) -> dict[str, str]:
        asked = {}
        nodes = resources.get("nodes", 1)
        if "wall_seconds" in resources:
            asked["walltime"] = str(resources["wall_seconds"])
        if "cpu_seconds" in resources:
            asked["cput"] = str(resources["cpu_seconds"])
        name = self.settings.own["memory_resource"]
        if name and "memory_mib" in resources:
            # Torque counts the whole job.
            asked[name] = f"{resources['memory_mib'] * nodes}mb"
        if "virtual_memory_mib" in resources:
            asked["vmem"] = f"{resources['virtual_memory_mib'] * nodes}mb"
        return asked

    def run(self, arguments: Sequence[str], *, user: str = "", keep: Sequence[int] = ()) -> Answer:
        # With -P a manager does all of it in the name of others.
        user = "" if self.settings.own["proxy"] else user
        return super().run(arguments, user=user, keep=keep)

    def read_submitted(self, answer: Answer) -> str:
        if self._over_slurm:
            return slurm_commands.read_submitted(answer)
        return super().read_submitted(answer)

    def read_jobs(self) -> list[PbsJob]:
        if self._over_slurm:
            return self._read_jobs_of_slurm()
        return read_jobs(self.run(["qstat", "-t", "-f", "-x"]).stdout)

    def _read_jobs_of_slurm(self) -> list[PbsJob]:
        try:
            return slurm_commands.read_jobs(self.run(slurm_commands.LISTING).stdout)
        except CommandFailedError as error:
            if slurm_commands.is_empty(error.answer):
                return []
            raise

    def status_of(self, job: PbsJob) -> JobStatus:
        status = torque_status.status(job)
        return slurm_commands.without_guess(status, job) if self._over_slurm else status

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        if self._accounting is None:
            return {}
        found = {}
        for job_id, records in self._accounting.of(native_ids).items():
            job = _accounted(records)
            if job is not None:
                tag = self.tag_in(job.name) or self._tags.get(job_id, "")
                found[job_id] = ListedJob(native_id=job_id, tag=tag, status=self.status_of(job))
        return found

    def nodes(self) -> list[Node]:
        return read_nodes(self.run(["pbsnodes", "-x"]).stdout)

    def set_offline(self, node: str, reason: str) -> None:
        self.check_node(node)
        note = " ".join(reason.split())[:_NOTE_LENGTH]
        self._change_node(["pbsnodes", "-o", *(["-N", note] if note else []), node])

    def set_online(self, node: str) -> None:
        self.check_node(node)
        self._change_node(["pbsnodes", "-c", node])
        # The note stays otherwise.
        self._change_node(["pbsnodes", "-N", "n", node])

    def _change_node(self, arguments: Sequence[str]) -> None:
        """Without permission the exit code is 0, and only the text tells."""
        answer = self.run(arguments)
        if answer.stderr.strip():
            raise EngineError(f"{' '.join(arguments[:2])}: {answer.first_line}")

    def _check_that_all_are_seen(self) -> None:
        """Refuse to submit for others if their jobs could not be seen: they would count as lost.

        Raises:
            EngineError: This account is no operator and the server shows only one's own jobs.
        """
        if self._sees_all:
            return
        text = re.sub(r"\n\t", "", self.run(["qstat", "-B", "-f"]).stdout)
        told = dict(re.findall(r"^ +(\w+) = (.*)$", text, re.MULTILINE))
        me = pwd.getpwuid(os.geteuid()).pw_name
        powerful = f"{told.get('managers', '')},{told.get('operators', '')}"
        names = {one.partition("@")[0].strip() for one in powerful.split(",")}
        if me not in names and told.get("query_other_jobs") != "True":
            raise EngineError(
                f"{me} is neither manager nor operator and query_other_jobs is not set: jobs of "
                "other accounts could not be followed"
            )
        self._sees_all = True


def _accounted(records: Sequence[Record]) -> PbsJob | None:
    """The job's end as its records tell it; None if they do not."""
    last = records[-1]
    started = next((one for one in reversed(records) if one.kind in "SE"), None)
    if last.kind == "E":
        told = last.values
    elif last.kind in "DA" and started is None:
        told = {}
    else:
        return None
    attributes = {
        "Job_Name": told.get("jobname", ""),
        "exit_status": told.get("Exit_status", ""),
        "start_time": told.get("start", ""),
        "comp_time": told.get("end", ""),
        "exec_host": told.get("exec_host", ""),
        **{name: value for name, value in told.items() if "." in name},
    }
    if last.kind == "A":
        attributes["comment"] = "Job deleted as result of dependency on job unknown"
    kept = {name: value for name, value in attributes.items() if value}
    return PbsJob(id=last.id, state="C", attributes=kept)
