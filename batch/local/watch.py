"""Watching a running program: limits, output, and that nothing of it is left.

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
import time

from batch.local import processes
from batch.local.launch import NotStartedError
from batch.local.outcome import Outcome
from batch.local.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batch.local.launch import Program

_LOOK_SECONDS = 0.1
_CLOSE_LOOK_SECONDS = 0.02
_FAR_LOOK_SECONDS = 0.3
_LOOKING_SHARE = 0.05
_STOPPED_SECONDS = 5.0
_MIB = 1024 * 1024


class Limits:
    """What the processes of a job may use together; None is no limit."""

    def __init__(
        self,
        *,
        memory_bytes: int | None,
        wall_seconds: int | None,
        cpu_seconds: int | None,
        processes: int,
        grace_seconds: float,
    ) -> None:
        self.memory_bytes = memory_bytes
        self.wall_seconds = wall_seconds
        self.cpu_seconds = cpu_seconds
        self.processes = processes
        self.grace_seconds = grace_seconds


class Outputs:
    """Where standard output and error go, and how much of each is kept."""

    def __init__(self, paths: Sequence[bytes], limit_bytes: int) -> None:
        self.paths = paths
        self.limit_bytes = limit_bytes


def run(
    program: Program,
    outputs: Outputs,
    limits: Limits,
    why_end: Callable[[], str],
    *,
    started: Callable[[int], None],
) -> Outcome:
    """Run a program to its end; whatever happens, nothing of it is left afterwards.

    Args:
        why_end: Asked now and then; the reason for which the program is to end, "" if none.
        started: Told the program's pid.
    """
    made: list[Output] = []
    try:
        for path in outputs.paths:
            made.append(_output(path, outputs.limit_bytes))
        ends = [output.program_end for output in made]
        pid = program.start(ends, cpu_seconds=limits.cpu_seconds, process_limit=limits.processes)
        for end in ends:
            os.close(end)
        started(pid)
        outcome = Watch(program, limits, why_end).until_end(made)
    except NotStartedError as error:
        outcome = Outcome(error.reason, exit_code=error.exit_code)
    finally:
        processes.kill_all_below()
        for output in made:
            output.copy_rest()
            output.close()
    lost = {output.problem for output in made if output.problem}
    if lost and not outcome.reason:
        outcome.reason = f"output lost: {', '.join(sorted(lost))}"
    return outcome


def _output(path: bytes, limit_bytes: int) -> Output:
    try:
        return Output(path, limit_bytes)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise NotStartedError(f"cannot create {os.fsdecode(path)}: {why}", 126) from error


class Watch:
    """A running program and all that descends from it."""

    def __init__(self, program: Program, limits: Limits, why_end: Callable[[], str]) -> None:
        self._program = program
        self._pid = program.pid
        self._limits = limits
        self._why_end = why_end
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
            self._program.kill()
        return self._exit is not None and (not others or time.monotonic() >= self._kill_at)

    def _reap(self) -> bool:
        """Take leave of children that ended, the program or orphans; whether there are others."""
        try:
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._pid:
                    self._exit = self._program.exit_of(status)
                    # The kernel saw peaks between two looks, if only those of single processes.
                    self._peak_bytes = max(self._peak_bytes, usage.ru_maxrss * 1024)
        except ChildProcessError:
            return False

    def _look(self) -> None:
        """Add up what the job uses, and begin to end it where that is too much."""
        begun = time.monotonic()
        if begun - self._next_look > _STOPPED_SECONDS:
            # The watch itself was stopped: the job was suspended, and that time does not count.
            self._begun += begun - self._next_look
        tree = processes.descendants(processes.processes(), [self._program.top])
        memory = processes.memory_bytes(tree, self._peak_bytes)
        self._peak_bytes = max(self._peak_bytes, memory)
        if self._kill_at is None:
            self._judge(tree, memory)
        limit = self._limits.memory_bytes
        is_close = self._kill_at is not None or (limit is not None and memory > limit / 2)
        now = time.monotonic()
        interval = _CLOSE_LOOK_SECONDS if is_close else _LOOK_SECONDS
        if now - begun > interval * _LOOKING_SHARE:
            interval = min((now - begun) / _LOOKING_SHARE, _FAR_LOOK_SECONDS)
        self._next_look = now + interval

    def _judge(self, tree: list[processes.Process], memory: int) -> None:
        limits = self._limits
        reaped = _cpu_seconds_of_reaped()
        if _is_over_limit(limits.memory_bytes, memory):
            self._end(f"memory limit of {(limits.memory_bytes or 0) // _MIB} MiB", grace_seconds=0)
        elif len(tree) > limits.processes:
            self._end(f"limit of {limits.processes} processes", grace_seconds=0)
        elif _is_over_limit(limits.wall_seconds, time.monotonic() - self._begun):
            self._end(f"wall time limit of {limits.wall_seconds} s")
        elif _is_over_limit(limits.cpu_seconds, reaped + sum(one.cpu_seconds for one in tree)):
            self._end(f"CPU time limit of {limits.cpu_seconds} s")
        elif reason := self._why_end():
            self._end(reason)

    def _end(self, reason: str, *, grace_seconds: float | None = None) -> None:
        """Ask the processes to end; they are killed when the grace is over."""
        grace = self._limits.grace_seconds if grace_seconds is None else grace_seconds
        self._reason = reason
        self._kill_at = time.monotonic() + grace
        if grace:
            self._program.ask_to_end()

    def _outcome(self) -> Outcome:
        ended = self._exit if self._exit is not None else 0
        if ended == -signal.SIGXCPU and not self._reason:
            self._reason = f"CPU time limit of {self._limits.cpu_seconds} s"
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
