"""A real Slurm in a worker node, run there as root: ``slurm_in_node.py HOOKS ACCOUNT JOBS``.

That many jobs are submitted as one account, with the hooks as Prolog and Epilog; if HOOKS is "",
their runners ask the helper for accounts instead. Each job leaves a process and a file. Printed is,
as JSON, how each ended, how often Slurm sent one back, and what its nodes are afterwards.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from batch.engines.slurm import SlurmEngine
from tests.batch.accounts import jobs_in_node
from tests.batch.accounts.node import HELPER
from tests.batch.sites import slurm
from tests.batch.sites.slurm import SlurmSite


def main(hooks: str, account: str, count: int) -> dict[str, Any]:
    """Start Slurm, run the jobs, stop it."""
    site = SlurmSite(f"Prolog={hooks}/prolog\nEpilog={hooks}/epilog" if hooks else "")
    accounts = [] if hooks else ["/usr/bin/sudo", "-n", HELPER]
    try:
        site.start()
        return _run(site, account, count, accounts)
    finally:
        site.stop()


def _run(site: SlurmSite, account: str, count: int, accounts: list[str]) -> dict[str, Any]:
    engine = SlurmEngine(
        {
            "command_folder": str(slurm.COMMANDS),
            "environment": site.environment,
            "run_as": account,
            "python": "/usr/bin/python3",
            "accounts": accounts,
            "busy_exit_code": 99,
            "lease_variable": "" if accounts else "SLURM_JOB_ID",
            "pass_variables": ["SLURM_*"],
            "record_wait_seconds": 3,
            "defaults": {"queue": "batch"},
        },
        Path("/var/lib/ijp-engine"),
    )
    told = jobs_in_node.run(
        engine, [jobs_in_node.spec(account, "SLURM_RESTART_COUNT") for _ in range(count)]
    )
    # The last Epilog may still run; a node that is out of service does not become idle.
    until = time.monotonic() + 20
    while _nodes(site) != {"idle"} and time.monotonic() < until:
        time.sleep(0.1)
    return {
        "codes": [one.exit_code for one in told.values()],
        "reasons": [one.reason for one in told.values()],
        "outputs": jobs_in_node.outputs(),
        "restarts": [_restarts(site, one.partition("/")[0]) for one in told],
        "nodes": sorted(_nodes(site)),
        "jobs": site.run("scontrol", "-o", "show", "job"),
    }


def _nodes(site: SlurmSite) -> set[str]:
    return set(site.run("sinfo", "-h", "-o", "%T").split())


def _restarts(site: SlurmSite, native_id: str) -> int:
    shown = site.run("scontrol", "-o", "show", "job", native_id)
    return int(shown.partition(" Restarts=")[2].split()[0])


if __name__ == "__main__":
    jobs_in_node.WORK.mkdir(mode=0o755)
    try:
        print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd}: {error.stderr}")
