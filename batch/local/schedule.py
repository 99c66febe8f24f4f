"""Moving the queue on: who may start now starts, and who lost his supervisor is ended.

Whoever sees a reason runs ``advance``: a submission, a supervisor whose job has ended, a question
for the status. No process has to stay alive for the queue to move while jobs run.

A job's lock file is locked from before it leaves the queue until its end is recorded: first by
the process that starts the supervisor, then, through the same open file, by the supervisor. A lock
that can be had is thus the proof that nobody watches the job any more; flock is let go by the
kernel however its holder dies.
"""

from __future__ import annotations

import fcntl
import os
import sys

from batch.local import processes
from batch.local.outcome import Outcome
from batch.local.spool import Spool
from batch.local.wakeup import wake

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from types import TracebackType

LOCK_DESCRIPTOR = 3
"""Where a supervisor finds its job's lock."""

_SUPERVISE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "supervise.py")
_ATTEMPTS = 5
_PATIENCE_SECONDS = 2.0


class Busy(Exception):
    """Somebody else holds the lock of the schedule."""


class ScheduleLock:
    """Held by the one process that changes who runs."""

    def __init__(self, folder: str, *, wait: bool) -> None:
        self._path = os.path.join(folder, "schedule.lock")
        self._how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, self._how)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise Busy from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def lock_path(folder: str, mark: str) -> str:
    """The lock file of a job."""
    return os.path.join(folder, "locks", mark)


def advance(spool: Spool, *, wait: bool = True) -> list[int]:
    """End or put back the jobs without a supervisor, then start what there is room for.

    Args:
        spool: The queue.
        wait: For the lock of the schedule; without it nothing is done when another process is at
            it, so that what changed after that process looked is left to the next call.

    Returns:
        The pids of the supervisors that were started, children of this process.

    Raises:
        sqlite3.Error: The spool cannot be read or written.
        OSError: A lock cannot be made, or no process be started; the job is queued again.
    """
    started: list[int] = []
    try:
        with ScheduleLock(spool.folder, wait=wait):
            for job in spool.unwatched():
                _recover(spool, job)
            slots = int(spool.setting("slots"))
            while (mark := spool.take(slots)) is not None:
                started.append(_start(spool, mark))
    except Busy:
        pass
    return started


def _start(spool: Spool, mark: str) -> int:
    try:
        lock = os.open(lock_path(spool.folder, mark), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _spawn(spool.folder, mark, lock)
        finally:
            os.close(lock)
    except OSError:
        spool.give_back(mark)
        raise


def _spawn(folder: str, mark: str, lock: int) -> int:
    log = os.path.join(folder, "supervisor.log")
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", _SUPERVISE, folder, mark],
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, lock, LOCK_DESCRIPTOR),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_OPEN, 2, log, appending, 0o600),
        ],
        setsid=True,
        setsigmask=[],
    )


def return_to_queue(spool: Spool, mark: str, reason: str) -> None:
    """Have a job queued again that its supervisor cannot start now, and let go of its lock.

    Both under the lock of the schedule: nobody may take a job whose lock is still held.
    """
    with ScheduleLock(spool.folder, wait=True):
        spool.give_back(mark, reason)
        remove_lock(spool.folder, mark)
        os.close(LOCK_DESCRIPTOR)
    wake(spool.folder)


def _recover(spool: Spool, job: sqlite3.Row) -> None:
    """End, or put back into the queue, a job that nobody watches."""
    mark = job["mark"]
    if not _is_unwatched(lock_path(spool.folder, mark)):
        return
    # The supervisor may have recorded the end and let go of the lock after the job was read.
    if spool.state(mark) != job["state"]:
        return
    if job["state"] == "starting":
        _put_back(spool, job)
    else:
        _end_unwatched(spool, job)
    if spool.state(mark) != "running":
        remove_lock(spool.folder, mark)
        wake(spool.folder)


def _end_unwatched(spool: Spool, job: sqlite3.Row) -> None:
    """Kill what is left of a job and record its end, or leave it if that takes too long now."""
    session, reason = job["session"], "the job's supervisor was killed"
    if job["boot"] != processes.boot_id():
        session, reason = None, "the machine was restarted while the job ran"
    gone = processes.kill_remains(
        job["mark"], session, job["session_start"], patience=_PATIENCE_SECONDS
    )
    if gone:
        spool.finish(job["mark"], Outcome(reason))


def _put_back(spool: Spool, job: sqlite3.Row) -> None:
    if job["cancelled"]:
        spool.finish(job["mark"], Outcome("cancelled"))
    elif job["attempts"] >= _ATTEMPTS:
        reason = f"could not be started: its supervisor died {_ATTEMPTS} times"
        spool.finish(job["mark"], Outcome(reason))
    else:
        spool.move(job["mark"], "starting", "queued")


def _is_unwatched(path: str) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def remove_lock(folder: str, mark: str) -> None:
    """Remove the lock file of a job that has ended or is queued again."""
    try:
        os.unlink(lock_path(folder, mark))
    except OSError:
        return
