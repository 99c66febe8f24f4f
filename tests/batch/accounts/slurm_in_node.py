"""A real Slurm in a worker node, run there as root: ``slurm_in_node.py HOOKS ACCOUNT JOBS``.

That many jobs are submitted as one account, with the hooks as Prolog and Epilog; if HOOKS is "",
their runners ask the helper for accounts instead. Each job leaves a process and a file. Printed is,
as JSON, how each ended, how often Slurm sent one back, and what its nodes are afterwards.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ulid import ULID

from batch.engine import EngineState, JobSpec
from batch.engines.slurm import SlurmEngine
from tests.batch.accounts.node import HELPER
from tests.batch.sites import slurm
from tests.batch.sites.slurm import SlurmSite

LEAVE = """
import os, sys, time
def note(what):
    line = f"{what} {sys.argv[1]} {os.environ['COUNT']} {time.monotonic()}\\n"
    file = os.open("/srv/shared/log", os.O_WRONLY | os.O_APPEND)
    os.write(file, line.encode())
note("start")
left = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())
        and os.path.exists(f"/proc/{pid}/cmdline")
        and b"left-by-a-job" in open(f"/proc/{pid}/cmdline", "rb").read()]
print("left:", left, os.path.exists("/tmp/left"))
open("/tmp/left", "w")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        os.execv("/usr/bin/python3", ["left-by-a-job", "-c", "import time; time.sleep(600)"])
    os._exit(0)
time.sleep(1)
note("end")
"""
WORK = Path("/var/lib/ijp-work")


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
    ids = [str(one) for one in engine.submit_many([_spec(account) for _ in range(count)])]
    end = time.monotonic() + 150
    told = engine.status(ids)
    while any(one.state is not EngineState.ENDED for one in told.values()):
        assert time.monotonic() < end, site.run("squeue")
        time.sleep(0.2)
        told = engine.status(ids)
    # The last Epilog may still run; a node that is out of service does not become idle.
    until = time.monotonic() + 20
    while _nodes(site) != {"idle"} and time.monotonic() < until:
        time.sleep(0.1)
    return {
        "codes": [told[one].exit_code for one in ids],
        "reasons": [told[one].reason for one in ids],
        "outputs": [path.read_text() for path in WORK.glob("*/out")],
        "restarts": [_restarts(site, one.partition("/")[0]) for one in ids],
        "nodes": sorted(_nodes(site)),
        "jobs": site.run("scontrol", "-o", "show", "job"),
    }


def _nodes(site: SlurmSite) -> set[str]:
    return set(site.run("sinfo", "-h", "-o", "%T").split())


def _spec(account: str) -> JobSpec:
    mark = str(ULID())
    counting = ("sh", "-c", 'COUNT=${SLURM_RESTART_COUNT:-0} exec "$0" "$@"')
    place = WORK / mark
    place.mkdir(mode=0o755, parents=True)
    shutil.chown(place, account, account)
    return JobSpec(
        mark=mark,
        owner="alice",
        argv=(*counting, "/usr/bin/python3", "-I", "-S", "-c", LEAVE, mark),
        environment={},
        folder=place,
        stdout=place / "out",
        stderr=place / "err",
    )


def _restarts(site: SlurmSite, native_id: str) -> int:
    shown = site.run("scontrol", "-o", "show", "job", native_id)
    return int(shown.partition(" Restarts=")[2].split()[0])


if __name__ == "__main__":
    WORK.mkdir(mode=0o755)
    try:
        print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd}: {error.stderr}")
