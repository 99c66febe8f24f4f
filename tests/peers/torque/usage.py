"""What a job has used, and whether that was too much."""

from __future__ import annotations

from typing import Any

from tests.peers.torque import server
from tests.peers.torque.forms import duration
from tests.peers.torque.limits import seconds, size_bytes
from tests.peers.torque.store import Job


def exceeded(
    job: Job, walltime: float, cpu: float, memory: int, virtual: int
) -> tuple[int, str] | None:
    limits = job["Resource_List"]
    if "walltime" in limits and walltime > seconds(limits["walltime"]):
        limit = seconds(limits["walltime"])
        return -11, f"walltime {max(int(walltime), limit + 1)} exceeded limit {limit}"
    if "cput" in limits and cpu > seconds(limits["cput"]):
        return -12, f"cput {int(cpu)} exceeded limit {seconds(limits['cput'])}"
    if "vmem" in limits and virtual > size_bytes(limits["vmem"]):
        return -10, f"vmem {virtual} exceeded limit {size_bytes(limits['vmem'])}"
    several = len({node for node, _ in server.slots_of(job["exec_host"])}) > 1
    if several and "mem" in limits and memory > size_bytes(limits["mem"]):
        limit = size_bytes(limits["mem"]) // 1024
        return 271, f"mem job total {memory // 1024} kb exceeded limit {limit} kb"
    return None


def usage(cpu: float, memory: int, virtual: int, walltime: float) -> dict[str, Any]:
    return {
        "cput": duration(cpu),
        "vmem": f"{virtual // 1024}kb",
        "walltime": duration(walltime),
        "mem": f"{memory // 1024}kb",
        "energy_used": 0,
    }
