"""Between a batch system that kills at once and the runner: ``guard.py FOLDER TAG ID INDEX``.

Torque's mom, asked to end a job, sends TERM and, as soon as the login shell above the script has
died of it, KILL to all processes of the job's session: nobody could write down how the job ended,
and processes that left the session would stay. So the runner gets a session of its own here, and
a process above it that watches what becomes of the job's process in the batch system's session:

    job's process (waits)  <-  watcher (own session)  <-  runner  <-  the user's program

When the job's process is told to stop, or is gone, the runner is told to stop; while it is stopped
(``qsig -s suspend``), so are the runner and all below it.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PAUSE_SECONDS = 0.1
_STOPPING = (signal.SIGTERM, signal.SIGINT)


def main(arguments: "list[str]") -> int:
    """Run the runner that is beside this file; gives its exit code."""
    job = os.getpid()
    watcher = os.fork()
    if watcher == 0:
        code = 1
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            code = watch(job, arguments, lambda: os.getppid() != job)
        finally:
            os._exit(code)
    for number in _STOPPING:
        signal.signal(number, lambda number, frame: os.kill(watcher, signal.SIGTERM))
    _, status = os.waitpid(watcher, 0)
    return _code(os.waitstatus_to_exitcode(status))


def watch(job: int, arguments: "list[str]", is_gone: "Callable[[], bool]") -> int:
    """Run the runner, as long as the job's process is there; gives its exit code."""
    told: list[int] = []
    for number in _STOPPING:
        signal.signal(number, lambda number, frame: told.append(number))
    runner = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runner.py")
    process = subprocess.Popen([sys.executable, "-I", "-S", runner, *arguments])
    passed_on = False
    is_stopped = False
    while not _has_ended(process):
        if (told or is_gone()) and not passed_on:
            passed_on = True
            _signal_all(process.pid, signal.SIGCONT)
            process.terminate()
        must_stop = not passed_on and _state(job) == "T"
        if must_stop or is_stopped:
            # While it lasts again and again: the tree may have grown meanwhile.
            _signal_all(process.pid, signal.SIGSTOP if must_stop else signal.SIGCONT)
            is_stopped = must_stop
    return _code(process.returncode)


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(_PAUSE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _code(code: int) -> int:
    return 128 - code if code < 0 else code


def _signal_all(top: int, number: int) -> None:
    for pid in [top, *_below(top)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _below(top: int) -> "list[int]":
    """All descendants; the runner takes orphans in, so none gets lost."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    new = [top]
    while new:
        new = [child for pid in new for child in children.get(pid, [])]
        found += new
    return found


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> "list[str]":
    """The fields from the state on; none if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:5]))
