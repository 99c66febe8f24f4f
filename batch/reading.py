"""Single values in what commands print; what cannot be read is None, or nothing."""

from __future__ import annotations

import re

from batch.check import MARK


def tag_at_end(name: str) -> str:
    """The mark behind the last dot of a job's name, in its first line; "" if it has none."""
    tag = name.partition("\n")[0].rpartition(".")[2]
    return tag if MARK.fullmatch(tag) else ""


def whole(text: str | None) -> int | None:
    """A whole number; None if it is none."""
    if text is None or not re.fullmatch(r"-?[0-9]{1,15}", text.strip()):
        return None
    return int(text)


def decimal(text: str | None) -> float | None:
    """A number; None if it is none."""
    try:
        return float(text or "")
    except ValueError:
        return None
