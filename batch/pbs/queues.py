"""What ``qstat -Q`` prints: a table, with and without ``-x``."""

from __future__ import annotations

from dataclasses import dataclass

from ijp.errors import EngineError

_COLUMNS = ["Queue", "Max", "Tot", "Ena", "Str"]


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue; whether it takes jobs, and whether it starts them."""

    name: str
    enabled: bool
    started: bool


def read_queues(text: str) -> list[Queue]:
    """The queues; a line of another form is left out.

    Raises:
        EngineError: This is not the table of queues.
    """
    lines = text.splitlines()
    if not lines or lines[0].split()[:5] != _COLUMNS:
        raise EngineError(f"this is not what qstat -Q prints: {text[:100]!r}")
    queues = []
    for line in lines[2:]:
        words = line.split()
        if len(words) >= 5 and words[3] in ("yes", "no") and words[4] in ("yes", "no"):
            queues.append(
                Queue(name=words[0], enabled=words[3] == "yes", started=words[4] == "yes")
            )
    return queues
