"""What was measured on a host, and which of the batch system's hosts that is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from ipaddress import ip_address
from typing import Any

MOST = 2**53


@dataclass(frozen=True, kw_only=True)
class Measures:
    """A host as one source, or all together, saw it; None is what nobody said.

    Attributes:
        hosts: The names that the source has for it, the best first.
        age_seconds: How long ago it was measured.
        load_1: The average number of processes that wanted to run in the last minute, as
            ``load_5`` and ``load_15`` in so many.
        users: How many people's sessions there are.
    """

    hosts: tuple[str, ...]
    age_seconds: float = 0.0
    load_1: float | None = None
    load_5: float | None = None
    load_15: float | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    disk_bytes: int | None = None
    disk_free_bytes: int | None = None
    gpus: int | None = None
    users: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured."""
        return all(getattr(self, name) is None for name in VALUES)


VALUES = tuple(one.name for one in fields(Measures) if one.name not in ("hosts", "age_seconds"))
"""What is measured, by name."""


def quantity(value: float | None) -> float | None:
    """A number that can be a load or a size; None if it is none."""
    fits = value is not None and math.isfinite(value) and 0 <= value < MOST
    return value if fits else None


def whole(value: float | None) -> int | None:
    """As ``quantity``, without what follows the point."""
    found = quantity(value)
    return None if found is None else int(found)


def used(total: int | None, free: int | None) -> int | None:
    """What is in use; None if it cannot be."""
    if total is None or free is None or free > total:
        return None
    return total - free


def together(found: Iterable[Measures]) -> Measures | None:
    """What several sources say of one host: the newest word on each; None if there is none."""
    ordered = sorted(found, key=lambda one: one.age_seconds)
    if not ordered:
        return None
    values: dict[str, Any] = {
        name: next((value for one in ordered if (value := getattr(one, name)) is not None), None)
        for name in VALUES
    }
    return replace(ordered[0], **values)


def known_as(hosts: Iterable[str], known: Collection[str]) -> str | None:
    """Which of the known hosts goes by one of these names; None if none does, or several might.

    A name without a domain stands for the one known host whose full name begins so, and a full
    name for the known host without a domain; two full names that differ are two hosts.
    """
    for host in hosts:
        found = _known_as(host, known)
        if found is not None:
            return found
    return None


def _known_as(host: str, known: Collection[str]) -> str | None:
    wanted = host.lower().rstrip(".")
    same = [one for one in known if one.lower().rstrip(".") == wanted]
    if not same and wanted and not _is_address(wanted):
        same = [one for one in known if _is_short_of(wanted, one.lower().rstrip("."))]
    return same[0] if len(same) == 1 else None


def _is_short_of(one: str, other: str) -> bool:
    short, full = sorted((one, other), key=len)
    return "." not in short and full.partition(".")[0] == short and not _is_address(full)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
