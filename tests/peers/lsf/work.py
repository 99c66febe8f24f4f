"""mbatchd and sbatchd in one process: they start, watch and end the cluster's jobs."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.lsf.store import ENDED, STARTED, Job, Store
from tests.peers.standin.processes import kill
from tests.peers.standin.running import until_told_to_stop

_ORPHAN = "TERM_ORPHAN_SYSTEM: orphan job terminated by LSF"
_TOO_LONG = "TERM_RUNLIMIT: job killed after reaching LSF run time limit"


def end(store: Store, job: Job, state: str, code: int | None, reason: str = "") -> None:
    """Write down how a job ended."""
    if state == "DONE":
        told = "Done successfully. The CPU time used is 0.1 seconds"
    elif code is None:
        told = "Exited"
    else:
        told = f"Exited with exit code {code}. The CPU time used is 0.1 seconds"
    events = [*job["_events"], [time.time(), told]]
    if reason:
        events.append([time.time(), f"Completed <exit>; {reason}"])
    shown = "" if state == "DONE" or code is None else str(code)
    changes = {"job_state": state, "exit_code": shown, "exit_reason": reason, "_events": events}
    store.save({**job, **changes, "_ended": time.time()})


@dataclass
class Running:
    """A job's process, and when it is to be killed if it was told to end."""

    process: subprocess.Popen[bytes]
    started: float
    kill_at: float | None = None


class Work:
    """Runs the jobs of a store until it is told to stop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, Running] = {}

    def turn(self) -> None:
        """Do what there is to do now."""
        self._store.reread()
        with self._store.writing():
            self._see_ends()
            self._obey()
            self._forget()
            if self._store.config["scheduling"]:
                self._start_waiting()

    def _see_ends(self) -> None:
        for job_id, running in list(self._running.items()):
            code = running.process.poll()
            if code is None:
                continue
            del self._running[job_id]
            kill(running.process.pid)
            job = self._store.get(job_id)
            if job is None:
                continue
            if job.get("_end") == "requeue":
                again = {"job_state": "PEND", "_end": None, "exec_host": ""}
                self._store.save({**job, **again})
                continue
            # A signal's number and 128, as a shell has it.
            code = 128 - code if code < 0 else code
            was_killed = job.get("_end") == "kill"
            state = "DONE" if code == 0 and not was_killed else "EXIT"
            end(self._store, job, state, code, job["_reason"] if was_killed else "")

    def _obey(self) -> None:
        for job in self._store.jobs(STARTED):
            running = self._running.get(job["Job_Id"])
            if running is None:
                continue
            for name in job.pop("_signals", ()):
                kill(running.process.pid, getattr(signal, f"SIG{name}"))
                self._store.save(job)
            minutes = job["minutes"]
            if minutes and time.time() - running.started > 60 * minutes and not job.get("_end"):
                job |= {"_end": "kill", "_reason": _TOO_LONG}
                self._store.save(job)
            if job.get("_end") and running.kill_at is None:
                running.kill_at = time.time() + self._store.config["job_terminate_interval"]
                for number in (signal.SIGCONT, signal.SIGINT, signal.SIGTERM):
                    kill(running.process.pid, number)
            if running.kill_at is not None and time.time() > running.kill_at:
                kill(running.process.pid)

    def _forget(self) -> None:
        for job in self._store.jobs(ENDED):
            is_old = time.time() - job["_ended"] > self._store.config["clean_period"]
            if is_old and not job.get("_forgotten"):
                self._store.save({**job, "_forgotten": True})

    def _start_waiting(self) -> None:
        closed = self._store.value("closed") or []
        running = self._store.jobs(STARTED)
        free = {
            host["name"]: host["max"]
            - sum(job["slots"] for job in running if job["exec_host"] == host["name"])
            for host in self._store.config["hosts"]
            if host["name"] not in closed
        }
        for job in self._store.jobs(("PEND",)):
            met = [self._is_met(*condition) for condition in job["waits_for"]]
            if False in met and job["orphan"]:
                end(self._store, job, "EXIT", None, _ORPHAN)
            if None in met or False in met:
                continue
            host = next((name for name, slots in free.items() if slots >= job["slots"]), None)
            if host is not None:
                free[host] -= job["slots"]
                self._start(job, host)

    def _is_met(self, kind: str, job_id: str) -> bool | None:
        """Whether a condition holds; None if it may do so later."""
        parent = self._store.get(job_id)
        state = parent["job_state"] if parent else "EXIT"
        if kind == "started":
            return True if state in (*STARTED, "DONE") else (None if state not in ENDED else False)
        if state not in ENDED:
            return None
        return {"done": state == "DONE", "exit": state == "EXIT", "ended": True}[kind]

    def _start(self, job: Job, host: str) -> None:
        number, _, index = job["Job_Id"].rstrip("]").partition("[")
        user = pwd.getpwnam(job["user"])
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": user.pw_dir,
            "USER": user.pw_name,
            "LSB_JOBID": number,
            "LSB_JOBINDEX": index or "0",
            "LSB_JOBNAME": job["name"],
            "LSB_QUEUE": job["queue"],
            "LSB_HOSTS": " ".join([host] * job["slots"]),
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", job["command"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
            **_account(user),
        )
        self._running[job["Job_Id"]] = Running(process, time.time())
        events = [
            *job["_events"],
            [time.time(), f"Dispatched {job['slots']} Task(s) on Host(s) <{host}>"],
            [time.time(), f"Starting (Pid {process.pid})"],
        ]
        self._store.save({**job, "job_state": "RUN", "exec_host": host, "_events": events})


def _account(user: pwd.struct_passwd) -> dict[str, Any]:
    if os.getuid() != 0 or user.pw_uid == 0:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def main(folder: Path) -> None:
    """Run until SIGTERM."""
    until_told_to_stop(Work(Store(folder)).turn)
