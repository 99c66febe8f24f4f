"""Why a job failed, as a word: what can be done about it depends on that."""

from __future__ import annotations

import re
import signal
from enum import StrEnum

from batch.engine import JobStatus

_MIB = 1024 * 1024
_NEARLY_ALL = 0.95


class Failure(StrEnum):
    """Kinds of failure.

    ``LIMIT`` is another limit than those of memory and wall time; ``SYSTEM`` is an end that the
    batch system or an operator decided; ``START`` never ran its program.
    """

    MEMORY = "memory"
    TIME = "time"
    LIMIT = "limit"
    NODE = "node"
    SYSTEM = "system"
    PROGRAM = "program"
    LOST = "lost"
    START = "start"
    DATA = "data"
    RESULTS = "results"

    @property
    def words(self) -> str:
        """For lists and pages."""
        return _WORDS[self]


_WORDS = {
    Failure.MEMORY: "Out of memory",
    Failure.TIME: "Out of time",
    Failure.LIMIT: "Over a limit",
    Failure.NODE: "Node failed",
    Failure.SYSTEM: "Ended by the batch system",
    Failure.PROGRAM: "Program error",
    Failure.LOST: "Lost",
    Failure.START: "Could not start",
    Failure.DATA: "Data missing",
    Failure.RESULTS: "Results refused",
}
_BY_REASON = (
    (re.compile(r"^program (not found|cannot)|before it began"), Failure.START),
    (re.compile(r"memory limit"), Failure.MEMORY),
    (re.compile(r"wall ?time limit"), Failure.TIME),
    (re.compile(r"\blimit of\b"), Failure.LIMIT),
    (re.compile(r"\bnode\b"), Failure.NODE),
    (re.compile(r"the batch system|in favour of|deadline"), Failure.SYSTEM),
)


def of_status(status: JobStatus, memory_mib: int | None) -> Failure | None:
    """What kind of failure an ended job is; None if it succeeded or was cancelled.

    Args:
        memory_mib: What it was given; None if nothing was asked for.
    """
    if status.succeeded or status.reason == "cancelled":
        return None
    for pattern, kind in _BY_REASON:
        if pattern.search(status.reason):
            return kind
    if status.signal == signal.SIGKILL and _used_nearly_all(status, memory_mib):
        return Failure.MEMORY
    return Failure.PROGRAM


def of_text(text: str) -> Failure | None:
    """The kind that a word of an address or the wire names; None if it names none."""
    return Failure(text) if text in _NAMES else None


_NAMES = frozenset(map(str, Failure))


def _used_nearly_all(status: JobStatus, memory_mib: int | None) -> bool:
    peak = status.peak_memory_bytes
    return bool(peak and memory_mib and peak >= _NEARLY_ALL * memory_mib * _MIB)
