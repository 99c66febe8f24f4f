"""The process that watches one job: starts its program, limits it, and records how it ended.

It is a session of its own, so that neither the server's death nor a signal to the server's
process group reaches it, and a subreaper: whatever the job starts, daemons included, stays its
descendant and ends with the job.

**Memory** is limited by looking: the resident memory of all descendants, added up ten times a
second and fifty times a second above half of the limit, less often where looking itself takes
long. RLIMIT_AS and RLIMIT_DATA are not set.
They hold for one process, not for a tree, and count what is reserved: an interpreter with
threads, a JVM or a numeric library reserves many times what it uses and would die without having
done anything wrong. What a job can take between two looks is bounded by how fast memory can be
filled; for the worst case its processes are the first that the kernel kills.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sqlite3
import time

from batch.local import processes, schedule
from batch.local.launch import NotStartedError, Program, become_subreaper
from batch.local.output import Output
from batch.local.spool import Outcome, Spool
from batch.local.wakeup import wake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    T = TypeVar("T")

_LOOK_SECONDS = 0.1
_CLOSE_LOOK_SECONDS = 0.02
_FAR_LOOK_SECONDS = 0.3
_LOOKING_SHARE = 0.05
_RETRY_SECONDS = 0.2
_ADVANCE_TRIES = 50
_MIB = 1024 * 1024

_told_to_stop = False


class Watch:
    """A running program and all that descends from it."""

    def __init__(self, spool: Spool, job: sqlite3.Row, pid: int) -> None:
        self._spool = spool
        self._job = job
        self._pid = pid
        self._grace_seconds = spool.setting("grace_seconds")
        self._process_limit = int(spool.setting("process_limit"))
        self._poll = select.poll()
        self._begun = self._next_look = time.monotonic()
        self._kill_at: float | None = None
        self._exit: int | None = None
        self._reason = ""
        self._peak_bytes = 0

    def until_end(self, outputs: list[Output]) -> Outcome:
        """Copy outputs and keep the limits until the program ended, then end all it started."""
        pipes = {output.pipe: output for output in outputs}
        ended = os.pidfd_open(self._pid)
        for descriptor in (ended, *pipes):
            self._poll.register(descriptor, select.POLLIN)
        while not self._is_over():
            pause = max(self._next_look - time.monotonic(), 0)
            for descriptor, _ in self._poll.poll(pause * 1000 + 1):
                if descriptor == ended:
                    self._poll.unregister(ended)
                elif not pipes[descriptor].copy():
                    self._poll.unregister(descriptor)
            if time.monotonic() >= self._next_look:
                self._look()
        processes.kill_all_below()
        return self._outcome()

    def _is_over(self) -> bool:
        """Whether it is time to kill what is left.

        Who is asked to end may do so in his time, even where the first process is quicker.
        """
        others = self._reap()
        if self._kill_at is None:
            return self._exit is not None
        if time.monotonic() >= self._kill_at and self._exit is None:
            os.kill(self._pid, signal.SIGKILL)
        return self._exit is not None and (not others or time.monotonic() >= self._kill_at)

    def _reap(self) -> bool:
        """Take leave of children that ended, the program or orphans; whether there are others."""
        try:
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._pid:
                    self._exit = os.waitstatus_to_exitcode(status)
                    # The kernel saw peaks between two looks, if only those of single processes.
                    self._peak_bytes = max(self._peak_bytes, usage.ru_maxrss * 1024)
        except ChildProcessError:
            return False

    def _look(self) -> None:
        """Add up what the job uses, and begin to end it where that is too much."""
        begun = time.monotonic()
        tree = processes.descendants(processes.processes(), [os.getpid()])
        memory = processes.memory_bytes(tree, self._peak_bytes)
        self._peak_bytes = max(self._peak_bytes, memory)
        if self._kill_at is None:
            self._judge(tree, memory)
        limit = self._job["memory_bytes"]
        is_close = self._kill_at is not None or (limit is not None and memory > limit / 2)
        now = time.monotonic()
        interval = _CLOSE_LOOK_SECONDS if is_close else _LOOK_SECONDS
        if now - begun > interval * _LOOKING_SHARE:
            interval = min((now - begun) / _LOOKING_SHARE, _FAR_LOOK_SECONDS)
        self._next_look = now + interval

    def _judge(self, tree: list[processes.Process], memory: int) -> None:
        job = self._job
        reaped = _cpu_seconds_of_reaped()
        if _is_over_limit(job["memory_bytes"], memory):
            self._end(f"memory limit of {job['memory_bytes'] // _MIB} MiB", grace_seconds=0)
        elif len(tree) > self._process_limit:
            self._end(f"limit of {self._process_limit} processes", grace_seconds=0)
        elif _is_over_limit(job["wall_seconds"], time.monotonic() - self._begun):
            self._end(f"wall time limit of {job['wall_seconds']} s")
        elif _is_over_limit(
            job["cpu_limit_seconds"], reaped + sum(one.cpu_seconds for one in tree)
        ):
            self._end(f"CPU time limit of {job['cpu_limit_seconds']} s")
        elif self._is_cancelled():
            self._end("cancelled")
        elif _told_to_stop:
            self._end("the job's supervisor was told to stop")

    def _end(self, reason: str, *, grace_seconds: float | None = None) -> None:
        """Ask the processes to end; they are killed when the grace is over."""
        grace = self._grace_seconds if grace_seconds is None else grace_seconds
        self._reason = reason
        self._kill_at = time.monotonic() + grace
        if grace:
            below = processes.descendants(processes.processes(), [os.getpid()])
            for number in (signal.SIGTERM, signal.SIGCONT):
                processes.send((one.pid for one in below), number)

    def _is_cancelled(self) -> bool:
        try:
            return self._spool.is_cancelled(self._job["mark"])
        except sqlite3.OperationalError:
            return False

    def _outcome(self) -> Outcome:
        ended = self._exit if self._exit is not None else 0
        if ended == -signal.SIGXCPU and not self._reason:
            self._reason = f"CPU time limit of {self._job['cpu_limit_seconds']} s"
        return Outcome(
            self._reason,
            exit_code=ended if ended >= 0 else None,
            signal=-ended if ended < 0 else None,
            cpu_seconds=_cpu_seconds_of_reaped(),
            peak_memory_bytes=self._peak_bytes,
        )


def _is_over_limit(limit: int | None, used: float) -> bool:
    return limit is not None and used > limit


def _cpu_seconds_of_reaped() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(spool: Spool, job: sqlite3.Row) -> Outcome:
    """Run the program of a job to its end; whatever happens, nothing of it is left afterwards."""
    outputs: list[Output] = []
    try:
        for path in (job["stdout"], job["stderr"]):
            outputs.append(_output(path, job["output_limit_bytes"]))
        program = Program(job["mark"], job["argv"], job["environment"], job["folder"])
        ends = [output.program_end for output in outputs]
        pid = program.start(
            ends,
            cpu_seconds=job["cpu_limit_seconds"],
            process_limit=int(spool.setting("process_limit")),
        )
        for end in ends:
            os.close(end)
        _note_session(spool, job["mark"], pid)
        outcome = Watch(spool, job, pid).until_end(outputs)
    except NotStartedError as error:
        outcome = Outcome(error.reason, exit_code=error.exit_code)
    finally:
        processes.kill_all_below()
        for output in outputs:
            output.copy_rest()
            output.close()
    lost = {output.problem for output in outputs if output.problem}
    if lost and not outcome.reason:
        outcome.reason = f"output lost: {', '.join(sorted(lost))}"
    return outcome


def _note_session(spool: Spool, mark: str, pid: int) -> None:
    program = processes.process(pid)
    try:
        spool.started(mark, session=pid, start=program.start if program else 0)
    except sqlite3.OperationalError:  # the disk is full: the mark has to do
        return


def _output(path: bytes, limit_bytes: int) -> Output:
    try:
        return Output(path, limit_bytes)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise NotStartedError(f"cannot create {os.fsdecode(path)}: {why}", 126) from error


def main(folder: str, mark: str) -> None:
    """Watch one job that was taken from the queue, then move the queue on."""
    _settle()
    spool = Spool(folder)
    job = _insist(spool, lambda: spool.begin(mark, boot=processes.boot_id()))
    if job is not None:
        wake(folder)
        try:
            outcome = run(spool, job)
        except Exception as error:
            failed = Outcome(f"the job's supervisor failed: {error}")
            _insist(spool, lambda: spool.finish(mark, failed))
            raise
        _insist(spool, lambda: spool.finish(mark, outcome))
    schedule.remove_lock(folder, mark)
    os.close(schedule.LOCK_DESCRIPTOR)
    wake(folder)
    # Told to stop, as all are when the machine goes down, it must start no job that dies with it.
    if not _told_to_stop:
        _advance(spool)


def _settle() -> None:
    """Become a process that has nothing of whoever started it."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(schedule.LOCK_DESCRIPTOR + 1, most)
    os.set_inheritable(schedule.LOCK_DESCRIPTOR, False)
    os.chdir("/")
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    become_subreaper()


def _stop(number: int, frame: FrameType | None) -> None:
    global _told_to_stop
    _told_to_stop = True


def _insist(spool: Spool, change: Callable[[], T]) -> T:
    """Make a change, trying again while the spool cannot be written: its disk may be full."""
    while True:
        try:
            return change()
        except sqlite3.OperationalError:
            if not os.path.exists(spool.path):
                raise
            time.sleep(_RETRY_SECONDS)


def _advance(spool: Spool) -> None:
    for _ in range(_ADVANCE_TRIES):
        try:
            schedule.advance(spool)
        except (sqlite3.OperationalError, OSError):
            time.sleep(_RETRY_SECONDS)
        else:
            return
