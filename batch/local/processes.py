"""What /proc tells of processes, and ending all that belong to a job."""

from __future__ import annotations

import os
import time
from signal import SIGKILL, SIGSTOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MARK_NAME = "IJP_MARK"
"""The environment variable by which a job's processes are known without their supervisor."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_ROUNDS = 30


class Process:
    """One line of /proc/PID/stat; ``start`` is in clock ticks since the machine started."""

    __slots__ = ("cpu_seconds", "parent", "pid", "rss_bytes", "session", "start")

    def __init__(self, pid: int, stat: bytes) -> None:
        # The name of the program, in parentheses, may itself hold blanks and parentheses.
        fields = stat[stat.rindex(b")") + 2 :].split()
        self.pid = pid
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.cpu_seconds = sum(map(int, fields[11:15])) / _TICKS
        self.start = int(fields[19])
        self.rss_bytes = int(fields[21]) * _PAGE


def boot_id() -> str:
    """What differs each time the machine starts."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def process(pid: int) -> Process | None:
    """One process; None if it is gone."""
    try:
        return Process(pid, _read(f"/proc/{pid}/stat"))
    except (OSError, ValueError):
        return None


def processes() -> dict[int, Process]:
    """All processes by pid; zombies too."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {one.pid: one for one in found if one is not None}


def descendants(table: dict[int, Process], roots: Iterable[int]) -> list[Process]:
    """The processes below the roots, these left out."""
    children: dict[int, list[Process]] = {}
    for one in table.values():
        children.setdefault(one.parent, []).append(one)
    found: list[Process] = []
    waiting = list(roots)
    while waiting:
        below = children.pop(waiting.pop(), [])
        found += below
        waiting += [one.pid for one in below]
    return found


def tasks_of(user: int) -> int:
    """How many processes and threads a user has; what RLIMIT_NPROC counts."""
    tasks = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                tasks += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return tasks


def memory_bytes(tree: list[Process], at_least: int) -> int:
    """What the processes use together, exactly only where it is more than ``at_least``.

    Pages that several of them share count once (PSS), as forked workers would otherwise be
    charged their parent's data each. That is slow to ask, so only where the quick sum is high.
    """
    quick = sum(one.rss_bytes for one in tree)
    if quick <= at_least or len(tree) == 1:
        return quick
    return sum(_pss_bytes(one) for one in tree)


def _pss_bytes(one: Process) -> int:
    try:
        for line in _read(f"/proc/{one.pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):  # ended, or runs as somebody else
        pass
    return one.rss_bytes


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each; who is gone or foreign is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_all_below() -> None:
    """Kill every descendant of this process, a subreaper, and reap them; returns when none is left.

    They are stopped first, until no new one appears: what is stopped cannot fork. Against
    thousands that multiply this process needs its share of the processor: it goes first.
    """
    _go_first(True)
    try:
        _stop_all_below()
        pause = 0.001
        while reap():
            send(_below_self(), SIGKILL)
            time.sleep(pause)
            pause = min(pause * 2, 0.1)
    finally:
        _go_first(False)


def _go_first(first: bool) -> None:
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK if first else os.SCHED_OTHER
    try:
        os.sched_setscheduler(0, policy, os.sched_param(1 if first else 0))
    except OSError:  # not root; then RLIMIT_NPROC bounds what there is to kill
        return


def _stop_all_below() -> None:
    stopped: set[int] = set()
    for _ in range(_STOP_ROUNDS):
        new = _below_self() - stopped
        send(new, SIGSTOP)
        stopped |= new
        if not new:
            break


def reap() -> bool:
    """Take leave of children that ended; whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


def _below_self() -> set[int]:
    return {one.pid for one in descendants(processes(), [os.getpid()])}


def kill_remains(
    mark: str, session: int | None, session_start: int | None, *, patience: float
) -> bool:
    """Kill what a job has left whose supervisor is dead; whether all is gone.

    A process belongs to the job if the mark is in its environment, if it is in the session that
    the program led (none if that was not recorded), or if it descends from such a process.
    """
    end = time.monotonic() + patience
    while True:
        table = processes()
        found = _remains(table, mark, session, session_start)
        if not found:
            return True
        send(found, SIGKILL)
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


def _remains(
    table: dict[int, Process], mark: str, session: int | None, session_start: int | None
) -> set[int]:
    wanted = f"{MARK_NAME}={mark}".encode()
    leader = table.get(session or 0)
    if leader is not None and leader.start != session_start:
        session = None  # the number is in use again, for others
    roots = {
        one.pid
        for one in table.values()
        if one.pid != os.getpid() and (one.session == session or _has(one, wanted))
    }
    return {
        one.pid
        for one in (*(table[pid] for pid in roots), *descendants(table, roots))
        if not _is_zombie(one.pid)
    }


def _has(one: Process, wanted: bytes) -> bool:
    try:
        return wanted in _read(f"/proc/{one.pid}/environ").split(b"\0")
    except OSError:
        return False


def _is_zombie(pid: int) -> bool:
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return True
    return stat[stat.rindex(b")") + 2 :][:1] in b"ZX"


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
