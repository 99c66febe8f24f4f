"""Prologue and epilogue: their arguments, environment, and what their exit codes mean."""

from __future__ import annotations

import subprocess

from tests.peers.torque import server
from tests.peers.torque.store import Job, Store


def prologues(store: Store, job: Job) -> int | None:
    """Run the prologue; its exit code if the job cannot begin, None if it can.

    A prologue that takes too long counts as one with a code other than 0 and 1.
    """
    limits = job["Resource_List"]
    asked = ",".join(f"{name}={value}" for name, value in limits.items() if name != "nodect")
    argv = [
        job["Job_Id"],
        job["euser"],
        job["egroup"],
        job["Job_Name"],
        f"{asked},neednodes={limits.get('nodes', '1')}",
        job["queue"],
        job.get("Account_Name", ""),
        job["_script"],
    ]
    return _run(store, job, "prologue", argv) or None


def epilogues(store: Store, job: Job) -> None:
    """Run the epilogue, also after a failed prologue; its exit code is ignored."""
    limits = job["Resource_List"]
    asked = ",".join(f"{name}={value}" for name, value in limits.items() if name != "nodect")
    used = ",".join(f"{name}={value}" for name, value in job.get("resources_used", {}).items())
    argv = [
        job["Job_Id"],
        job["euser"],
        job["egroup"],
        job["Job_Name"],
        str(job.get("session_id", 0)),
        f"{asked},neednodes={limits.get('nodes', '1')}",
        used,
        job["queue"],
        job.get("Account_Name", ""),
        str(job.get("exit_status", 0)),
        job["_script"],
    ]
    _run(store, job, "epilogue", argv)


def _run(store: Store, job: Job, name: str, argv: list[str]) -> int:
    program = store.folder / "mom_priv" / name
    if not program.exists():
        return 0
    hosts = [node for node, _ in server.slots_of(job["exec_host"])]
    environment = {
        "PATH": "/bin:/usr/bin",
        "LANG": "C.UTF-8",
        "PBS_MSHOST": hosts[0],
        "PBS_NODENUM": "0",
        "PBS_NP": str(len(hosts)),
        "PBS_NUM_NODES": str(len(set(hosts))),
        "PBS_O_WORKDIR": job["init_work_dir"],
        "PBS_RESOURCE_NODES": job["Resource_List"].get("nodes", "1"),
    }
    spool = store.folder / "spool"
    with (
        (spool / f"{job['Job_Id']}.OU").open("ab") as output,
        (spool / f"{job['Job_Id']}.ER").open("ab") as errors,
    ):
        try:
            ended = subprocess.run(
                [str(program), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
                cwd=program.parent,
                timeout=store.config["prologue_seconds"],
            )
        except subprocess.TimeoutExpired:
            return -1
    return ended.returncode
