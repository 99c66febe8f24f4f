"""How the processes of jobs begin."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import subprocess
from collections.abc import Callable

from tests.peers.torque import server
from tests.peers.torque.limits import size_bytes
from tests.peers.torque.store import Job, Store


def begun(store: Store, job: Job) -> subprocess.Popen[bytes]:
    """Start the job below a login shell that reads the path of the script."""
    folder = store.folder
    job_id = job["Job_Id"]
    script = folder / "mom_priv" / f"{job_id}.SC"
    shutil.copy(job["_script"], script)
    script.chmod(0o755)
    command = f"{script} {job.get('_arguments', '')}".rstrip() + "\n"
    shell = job.get("Shell_Path_List", "/bin/bash")
    argv = [str(script)] if store.config["exec_with_exec"] else ["-" + os.path.basename(shell)]
    executable = str(script) if store.config["exec_with_exec"] else shell
    if not os.path.exists(executable):
        argv, executable = ["sh", "-c", "exit 254"], "/bin/sh"
    stdin = folder / "spool" / f"{job_id}.IN"
    stdin.write_text(command)
    joined = job["Join_Path"] == "oe"
    output = os.open(
        folder / "spool" / f"{job_id}.OU", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
    )
    errors = folder / "spool" / f"{job_id}.ER"
    error = output if joined else os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    account = account_of(store, job["euser"])
    where = job["_work_dir"]
    try:
        with stdin.open("rb") as lines:
            return subprocess.Popen(
                argv,
                executable=executable,
                stdin=lines,
                stdout=output,
                stderr=error,
                cwd=where if os.path.isdir(where) else "/",
                env=_environment(store, job),
                start_new_session=True,
                umask=int(job.get("umask", 0o077)),
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=os.getgrouplist(account.pw_name, account.pw_gid) if account else None,
                preexec_fn=_limited(job),
            )
    finally:
        os.close(output)
        if error != output:
            os.close(error)


def account_of(store: Store, user: str) -> pwd.struct_passwd | None:
    """The account to become; None to stay who we are."""
    if os.getuid() != 0 or user in store.config["users"]:
        return None
    return pwd.getpwnam(user)


def _limited(job: Job) -> Callable[[], None] | None:
    """On one node ``mem`` is a limit of the data segment of each process, and no more."""
    limit = job["Resource_List"].get("mem")

    def set_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (size_bytes(limit), size_bytes(limit)))

    return set_limit if limit is not None and "+" not in job["exec_host"] else None


def _environment(store: Store, job: Job) -> dict[str, str]:
    user = job["euser"]
    nodes = store.folder / "spool" / f"{job['Job_Id']}.nodes"
    nodes.write_text("".join(f"{node}\n" for node, _ in server.slots_of(job["exec_host"])))
    return {
        "ENVIRONMENT": "BATCH",
        "HOME": store.home(user),
        "LOGNAME": user,
        "USER": user,
        "SHELL": "/bin/bash",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        **job["_variables"],
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": job["Job_Id"],
        "PBS_JOBNAME": job["Job_Name"],
        "PBS_NODEFILE": str(nodes),
        "PBS_QUEUE": job["queue"],
        "PBS_VERSION": "TORQUE-6.1.3.h5",
    }
