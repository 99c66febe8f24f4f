"""pbs_sched and pbs_mom in one process: it starts, watches and ends the cluster's jobs.

Its only way to its clients is the state; everything it starts is ended with it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.standin.processes import kill, measured, processes
from tests.peers.standin.running import until_told_to_stop
from tests.peers.torque import server
from tests.peers.torque.delivery import deliver
from tests.peers.torque.placing import placed
from tests.peers.torque.processes import begun
from tests.peers.torque.prologue import epilogues, prologues
from tests.peers.torque.store import Job, Store, number_of
from tests.peers.torque.usage import exceeded, usage

_SIGNALS = {"suspend": signal.SIGSTOP, "resume": signal.SIGCONT}


@dataclass
class Running:
    """A job that has processes.

    Attributes:
        ends: Why it is being ended, as an exit status; None if it is not.
        session: Its processes' session.
    """

    process: subprocess.Popen[bytes]
    started: float
    stopped: float = 0.0
    stopped_since: float | None = None
    ends: int | None = None
    is_rerun: bool = False
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def session(self) -> int:
        return self.process.pid

    def walltime(self) -> float:
        """Without the time for which it was suspended."""
        stopped = self.stopped
        if self.stopped_since is not None:
            stopped += time.time() - self.stopped_since
        return time.time() - self.started - stopped


class Mom:
    """Runs the jobs of a store until it is told to stop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, Running] = {}
        self._polled = 0.0
        self._seen = -1
        self._event: float | None = None

    def turn(self) -> None:
        """Do what there is to do now."""
        store = self._store
        store.reread()
        self._end_those_that_ended()
        changes = store.changes()
        if changes != self._seen:
            self._seen = changes
            self._obey()
        if time.time() - self._polled > store.config["check_poll_time"]:
            self._polled = time.time()
            self._enforce_limits()
            with store.writing():
                server.purge(store)
                self._let_wait_end()
        if store.config["scheduling"]:
            self._start_waiting()

    def _let_wait_end(self) -> None:
        for job in self._store.jobs("W"):
            server.place(job)
            self._store.save(job)

    def _start_waiting(self) -> None:
        """First come, first served, as far as there are slots; looked at after events only."""
        event = self._store.value("event")
        if event == self._event:
            return
        self._event = event
        free = self._free()
        for job in self._store.jobs("Q"):
            if "job_array_request" in job:
                continue
            hosts = placed(self._store, job, free)
            if hosts is None:
                self._comment(
                    job, "Not Running: Not enough of the right type of nodes are available"
                )
                continue
            for node, slot in server.slots_of(hosts):
                free[node].remove(slot)
            self._start(job, hosts)

    def _free(self) -> dict[str, list[int]]:
        marked = self._store.value("nodes") or {}
        config = self._store.config
        away = {*config["dead_nodes"], *config["down_nodes"]}
        away |= {name for name, mark in marked.items() if mark.get("offline")}
        free = {
            node["name"]: list(range(node["np"]))
            for node in config["nodes"]
            if node["name"] not in away
        }
        # A suspended job's slots are given away.
        for job in self._store.jobs("RE"):
            for node, slot in server.slots_of(job.get("exec_host", "")):
                if slot in free.get(node, ()):
                    free[node].remove(slot)
        return free

    def _comment(self, job: Job, text: str) -> None:
        if job.get("comment") != text:
            with self._store.writing():
                now = self._store.get(job["Job_Id"])
                if now is not None and now["job_state"] == "Q":
                    self._store.save(now | {"comment": text})

    def _start(self, job: Job, hosts: str) -> None:
        store = self._store
        with store.writing():
            current = store.get(job["Job_Id"])
            if current is None or current["job_state"] != "Q":
                return
            job = current
            now = int(time.time())
            job["job_state"] = "R"
            job["exec_host"] = hosts
            job["mtime"] = job["start_time"] = now
            job["start_count"] = job.get("start_count", 0) + 1
            job["comment"] = f"Job started on {time.strftime('%a %b %d at %H:%M')}"
            job["session_id"] = 0
            store.save(job)
            server.account(store, "S", job, server.started_record(job))
            server.started(store, job)
        failed = prologues(store, job)
        if failed is not None:
            epilogues(store, job)
            self._not_begun(job["Job_Id"], failed)
            return
        process = begun(store, job)
        self._running[job["Job_Id"]] = Running(process, time.time())
        with store.writing():
            current = store.get(job["Job_Id"])
            if current is not None:
                store.save(current | {"session_id": process.pid})

    def _not_begun(self, job_id: str, code: int) -> None:
        """A prologue's 1 ends the job, anything else queues it again at once, without limit."""
        with self._store.writing():
            job = self._store.get(job_id)
            if job is None:
                return
            if code == 1:
                job["resources_used"] = usage(0.0, 0, 0, 0.0)
                self._complete(job, -2)
            else:
                job["exit_status"] = -14
                job["job_state"] = "Q"
                job.pop("exec_host", None)
                self._store.save(job)
            self._store.set_value("event", time.time())

    def _obey(self) -> None:
        """Do what the clients asked for since the last look."""
        for job in self._store.jobs("RSE"):
            running = self._running.get(job["Job_Id"])
            if running is None:
                continue
            if job.get("_end") and running.ends is None and not running.is_rerun:
                running.is_rerun = job["_end"] == "rerun"
                if not running.is_rerun:
                    running.ends = 271
                _end_session(running)
            if job.get("_signals"):
                self._signal(job, running)
        known = {job["Job_Id"] for job in self._store.jobs("RSE")}
        for job_id in self._running.keys() - known:
            # Purged: nobody knows it any more. Its processes are ended for the test's sake.
            kill(self._running.pop(job_id).session)

    def _signal(self, job: Job, running: Running) -> None:
        for name in job["_signals"]:
            if name == "suspend" and running.stopped_since is None:
                running.stopped_since = time.time()
            if name == "resume" and running.stopped_since is not None:
                running.stopped += time.time() - running.stopped_since
                running.stopped_since = None
            number = _SIGNALS.get(name) or getattr(signal, f"SIG{name.removeprefix('SIG')}")
            if name in ("KILL", "SIGKILL"):
                running.ends = 271
            kill(running.session, number)
        with self._store.writing():
            current = self._store.get(job["Job_Id"])
            if current is not None:
                current["_signals"] = []
                self._store.save(current)

    def _enforce_limits(self) -> None:
        seen = processes() if self._running else []
        for job in self._store.jobs("R"):
            running = self._running.get(job["Job_Id"])
            if running is None or running.ends is not None:
                continue
            cpu, memory, virtual = measured(seen, running.session)
            running.usage = usage(cpu, memory, virtual, running.walltime())
            problem = exceeded(job, running.walltime(), cpu, memory, virtual)
            if problem is not None:
                running.ends, text = problem
                with (self._store.folder / "spool" / f"{job['Job_Id']}.ER").open("a") as errors:
                    errors.write(f"=>> PBS: job killed: {text}\n")
                _end_session(running)
            if int(time.time()) % 2 == 0:
                with self._store.writing():
                    current = self._store.get(job["Job_Id"])
                    if current is not None and current["job_state"] == "R":
                        self._store.save(current | {"resources_used": running.usage})

    def _end_those_that_ended(self) -> None:
        dead = self._store.config["dead_nodes"]
        for job_id, running in list(self._running.items()):
            job = self._store.get(job_id)
            if job is not None and any(n in dead for n, _ in server.slots_of(job["exec_host"])):
                # Nobody hears of it: the job stays R for ever.
                continue
            if running.process.poll() is None:
                continue
            del self._running[job_id]
            kill(running.session)
            if job is not None:
                self._ended(job, running)

    def _ended(self, job: Job, running: Running) -> None:
        store = self._store
        status = running.process.returncode
        if running.ends is not None:
            status = running.ends
        elif status < 0:
            status = 256 - status
        used = running.usage or usage(0.0, 0, 0, running.walltime())
        if running.is_rerun:
            self._again(job)
            return
        epilogues(store, job | {"exit_status": status, "resources_used": used})
        hint = deliver(store, job)
        with store.writing():
            current = store.get(job["Job_Id"])
            if current is None:
                return
            if hint:
                current["sched_hint"] = hint
            current["resources_used"] = used
            current["total_runtime"] = f"{time.time() - running.started:.6f}"
            self._complete(current, status)
            store.set_value("event", time.time())

    def _again(self, job: Job) -> None:
        """Queue it once more; the exit status of this run stays to be seen."""
        store = self._store
        with store.writing():
            current = store.get(job["Job_Id"])
            if current is None:
                return
            current["exit_status"] = 0
            current["job_state"] = "Q"
            for name in ("_end", "exec_host", "resources_used"):
                current.pop(name, None)
            server.place(current)
            server.account(store, "R", current)
            store.save(current)
            store.set_value("event", time.time())

    def _complete(self, job: Job, status: int) -> None:
        job["comp_time"] = int(time.time())
        job.setdefault("total_runtime", "0.104022")
        job["exit_status"] = status
        server.account(self._store, "E", job, server.ended_record(job))
        server.finish(self._store, job, status)
        self._free_slot_of_array(job)

    def _free_slot_of_array(self, job: Job) -> None:
        """With ``-t 1-6%2`` the next element may run."""
        for element in self._store.elements(number_of(job["Job_Id"])):
            if element.get("Hold_Types") == "l" and element["job_state"] == "H":
                del element["Hold_Types"]
                server.place(element)
                self._store.save(element)
                return


def _end_session(running: Running) -> None:
    """TERM, which ends the login shell at once, and then KILL to all that is left."""
    kill(running.session, signal.SIGTERM)
    kill(running.session, signal.SIGCONT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.process.wait(2)
    kill(running.session)


def main(folder: Path) -> None:
    """Run until SIGTERM."""
    mom = Mom(Store(folder))
    until_told_to_stop(mom.turn)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
