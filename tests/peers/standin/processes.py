"""The processes of jobs: what they use, how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def kill(session: int, number: int = signal.SIGKILL) -> None:
    for pid in session_of(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def session_of(session: int) -> list[int]:
    return [pid for pid, fields in processes() if int(fields[3]) == session]


def measured(processes: list[tuple[int, list[str]]], session: int) -> tuple[float, int, int]:
    """CPU seconds, memory and address space of a session's processes."""
    cpu, memory, virtual = 0.0, 0, 0
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for _, fields in processes:
        if int(fields[3]) == session:
            cpu += sum(int(fields[place]) for place in (11, 12, 13, 14)) / tick
            virtual += int(fields[20])
            memory += int(fields[21]) * page
    return cpu, memory, virtual


def processes() -> list[tuple[int, list[str]]]:
    """Pids, and what stat says from the state on."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path("/proc", name, "stat").read_text()
            except OSError:
                continue
            found.append((int(name), text.rpartition(")")[2].split()))
    return found


def children(parent: int) -> list[int]:
    """All descendants that still live."""
    tree: dict[int, list[int]] = {}
    for pid, fields in processes():
        if fields[0] != "Z":
            tree.setdefault(int(fields[1]), []).append(pid)
    found, next_ones = [], [parent]
    while next_ones:
        children = tree.get(next_ones.pop(), [])
        found += children
        next_ones += children
    return found


def kill_children() -> None:
    """Kill all that this process has started, daemons too; it has to be a subreaper."""
    for _ in range(200):
        living = children(os.getpid())
        if not living:
            return
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
