"""The process that watches one job: starts its program, limits it, and records how it ended.

It is a session of its own, so that neither the server's death nor a signal to the server's
process group reaches it, and a subreaper: whatever the job starts, daemons included, stays its
descendant and ends with the job.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import time

from batch.local import processes, schedule, watch
from batch.local.launch import NoAccountError, Program, RefusedError, become_subreaper
from batch.local.outcome import Outcome
from batch.local.spool import Spool
from batch.local.wakeup import wake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    from batch.local.pooled import Lease

    T = TypeVar("T")

_RETRY_SECONDS = 0.2
_BUSY_SECONDS = 1.0
_ADVANCE_TRIES = 50

_told_to_stop = False


def run(spool: Spool, job: sqlite3.Row, lease: Lease | None) -> Outcome:
    """Run the program of a job to its end; whatever happens, nothing of it is left afterwards."""
    mark = job["mark"]
    if lease is None:
        program = Program(mark, job["argv"], job["environment"], job["folder"])
    else:
        program = lease.program(mark, job["argv"], job["environment"])
    limits = watch.Limits(
        memory_bytes=job["memory_bytes"],
        wall_seconds=job["wall_seconds"],
        cpu_seconds=job["cpu_limit_seconds"],
        processes=int(spool.setting("process_limit")),
        grace_seconds=spool.setting("grace_seconds"),
    )
    return watch.run(
        program,
        watch.Outputs((job["stdout"], job["stderr"]), job["output_limit_bytes"]),
        limits,
        lambda: _why_end(spool, mark),
        started=lambda pid: _note_session(spool, mark, pid),
    )


def _why_end(spool: Spool, mark: str) -> str:
    try:
        if spool.is_cancelled(mark):
            return "cancelled"
    except sqlite3.OperationalError:
        pass
    return "the job's supervisor was told to stop" if _told_to_stop else ""


def _note_session(spool: Spool, mark: str, pid: int) -> None:
    program = processes.process(pid)
    try:
        spool.started(mark, session=pid, start=program.start if program else 0)
    except sqlite3.OperationalError:  # the disk is full: the mark has to do
        return


def main(folder: str, mark: str) -> None:
    """Watch one job that was taken from the queue, then move the queue on."""
    _settle()
    spool = Spool(folder)
    try:
        lease = _lease(spool, mark)
    except NoAccountError as busy:
        reason = f"waits for an account: {busy}"
        _pause_until_told(_BUSY_SECONDS)
        _insist(spool, lambda: schedule.return_to_queue(spool, mark, reason))
        if not _told_to_stop:
            _advance(spool)
        return
    except RefusedError as refusal:
        refused = Outcome(str(refusal))
        _insist(spool, lambda: spool.finish(mark, refused))
    else:
        _watch(spool, mark, lease)
    schedule.remove_lock(folder, mark)
    os.close(schedule.LOCK_DESCRIPTOR)
    wake(folder)
    # Told to stop, as all are when the machine goes down, it must start no job that dies with it.
    if not _told_to_stop:
        _advance(spool)


def _lease(spool: Spool, mark: str) -> Lease | None:
    """An account for the job, where jobs have accounts of their own and it is still to run."""
    helper = spool.helper()
    if not helper or spool.is_cancelled(mark):
        return None
    # What it imports takes longer than all else here, and most installations do without.
    from batch.local.pooled import Lease

    return Lease(helper, spool.family(mark), mark)


def _watch(spool: Spool, mark: str, lease: Lease | None) -> None:
    """Run the job, unless it was cancelled meanwhile, and record how it ended."""
    try:
        job = _insist(spool, lambda: spool.begin(mark, boot=processes.boot_id()))
        if job is None:
            return
        wake(spool.folder)
        try:
            outcome = run(spool, job, lease)
        except Exception as error:
            failed = Outcome(f"the job's supervisor failed: {error}")
            _insist(spool, lambda: spool.finish(mark, failed))
            raise
        _insist(spool, lambda: spool.finish(mark, outcome))
    finally:
        if lease is not None:
            lease.close()


def _pause_until_told(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not _told_to_stop:
        time.sleep(_RETRY_SECONDS)


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
