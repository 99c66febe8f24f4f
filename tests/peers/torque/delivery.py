"""Bringing a job's output to where it belongs."""

from __future__ import annotations

import os
import shutil
import time

from tests.peers.torque.processes import account_of
from tests.peers.torque.store import Job, Store


def deliver(store: Store, job: Job) -> str:
    """Bring the outputs where they belong; what cannot be brought stays, and is only hinted at."""
    parts = (
        [("OU", "Output_Path")]
        if job["Join_Path"] == "oe"
        else [
            ("OU", "Output_Path"),
            ("ER", "Error_Path"),
        ]
    )
    failed = False
    for ending, attribute in parts:
        source = store.folder / "spool" / f"{job['Job_Id']}.{ending}"
        path = job[attribute].partition(":")[2]
        for name in ("PBS_JOBID", "PBS_JOBNAME"):
            path = path.replace(f"${name}", job["Job_Id" if name == "PBS_JOBID" else "Job_Name"])
        try:
            shutil.copyfile(source, path)
            account = account_of(store, job["euser"])
            if os.path.isfile(path):
                os.chmod(path, 0o666 & ~int(job.get("umask", 0o077)))
                if account is not None:
                    os.chown(path, account.pw_uid, account.pw_gid)
            source.unlink()
        except OSError:
            failed = True
            if source.exists():
                shutil.move(source, store.folder / "undelivered" / source.name)
    if not failed:
        return ""
    time.sleep(store.config["undelivered_seconds"])
    return "Unable to copy files back - please see the mother superior's log for exact details."
