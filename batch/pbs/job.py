"""A job as a PBS system describes it, and what its attributes mean in both systems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from batch.reading import whole

JOB_ID = re.compile(r"[0-9]+(\[[0-9]*\])?(\.[A-Za-z0-9_.-]+)?")
_MOST_TEXT = 300
_SIZE = re.compile(r"([0-9]+)([kmgtp]?)(b|w)?")
_DURATION = re.compile(r"[0-9]+(:[0-9]+){0,3}(\.[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class PbsJob:
    """One record of a listing.

    Attributes:
        id: As the system prints it: ``5863.head``, ``49[].head``, ``49[1].head``.
        state: The letter; "" if the record could not be read.
        attributes: By name; of nested ones with a dot, as ``resources_used.mem``.
    """

    id: str
    state: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the job is called; "" if it has no name."""
        return self.attributes.get("Job_Name", "")

    def shown(self, name: str) -> str:
        """An attribute for people: in one line, and not too long."""
        return " ".join(self.attributes.get(name, "").split())[:_MOST_TEXT]


def seconds(text: str | None) -> float | None:
    """Seconds of ``HH:MM:SS``, with hours above 24 rather than days; None if it is not that."""
    if text is None or not _DURATION.fullmatch(text.strip()):
        return None
    total = 0.0
    for part in text.strip().split(":"):
        total = 60 * total + float(part)
    return total


def size_bytes(text: str | None) -> int | None:
    """Bytes of ``107656kb``; None if it is no size. A word counts as 8 bytes."""
    found = _SIZE.fullmatch((text or "").strip().lower())
    if found is None or len(found[1]) > 15:
        return None
    shift = 10 * " kmgtp".index(found[2] or " ")
    return (int(found[1]) << shift) * (8 if found[3] == "w" else 1)


def instant(epoch_seconds: str | None) -> datetime | None:
    """A moment given in seconds since 1970; None if it is none, or beyond all calendars."""
    number = whole(epoch_seconds)
    if number is None or not 0 < number < 253402300800:
        return None
    return datetime.fromtimestamp(number, UTC)


def first_host(exec_host: str) -> str | None:
    """The node where a job's script runs: of ``node02/0-1+node01/0`` the first; None if none."""
    return re.split(r"[/+]", exec_host)[0] or None


def reason_with_limit(kind: str, limit: float | None, unit: str) -> str:
    """For users: "wall time limit of 60 s", or without the number where it is not known."""
    return f"{kind} limit" if limit is None else f"{kind} limit of {limit:g} {unit}"
