"""A real Grid Engine in a worker node: ``gridengine_in_node.py HOOKS ACCOUNT JOBS`` as root.

That many jobs are submitted as one account, with the hooks as prolog and epilog of the queue. Each
leaves a process and a file. Printed is, as JSON, how each ended, and in which states the queue is
afterwards.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from batch.engines.gridengine import GridEngine
from tests.batch.accounts import jobs_in_node
from tests.batch.sites import gridengine
from tests.batch.sites.gridengine import GridEngineSite


def main(hooks: str, account: str, count: int) -> dict[str, Any]:
    """Start Grid Engine, run the jobs, stop it."""
    # Not in /tmp, where nothing of an account stays: Grid Engine keeps files of theirs there.
    site = GridEngineSite(
        place="/var/lib",
        prolog=f"root@{hooks}/prolog $job_id $job_owner $ja_task_id",
        epilog=f"root@{hooks}/epilog $job_id $job_owner $ja_task_id",
    )
    try:
        site.start()
        return _run(site, account, count)
    finally:
        site.stop()


def _run(site: GridEngineSite, account: str, count: int) -> dict[str, Any]:
    engine = GridEngine(
        {
            "command_folder": str(gridengine.COMMANDS),
            "environment": site.environment,
            "run_as": account,
            "python": "/usr/bin/python3",
            "busy_exit_code": 99,
            "lease_variable": "JOB_ID.SGE_TASK_ID",
            "pass_variables": ["RESTARTED"],
            "record_wait_seconds": 3,
        },
        Path("/var/lib/ijp-engine"),
    )
    told = jobs_in_node.run(engine, [jobs_in_node.spec(account, "RESTARTED") for _ in range(count)])
    return {
        "codes": [one.exit_code for one in told.values()],
        "reasons": [one.reason for one in told.values()],
        "outputs": jobs_in_node.outputs(),
        "queue": site.run("qstat", "-f"),
        "accounting": site.run("qacct", "-j"),
    }


if __name__ == "__main__":
    jobs_in_node.WORK.mkdir(mode=0o755)
    try:
        print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd}: {error.stderr}")
