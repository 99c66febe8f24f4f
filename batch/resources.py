"""What a job may use: one model for all engines, each of which maps what it can.

``docs/engines.md`` has the table of what becomes of each field in each engine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, fields

from ijp.errors import BadRequestError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")
_MOST = 2**53


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a job may use at most; None is no limit of its own, the engine's default holds.

    Attributes:
        cores: For each task; with one task on one node, for the job.
        nodes: On how many hosts; the program itself is started once, on the first of them.
        tasks_per_node: How many tasks of ``cores`` there is room for on each node.
        memory_mib: Of all the job's processes together, on each node.
        virtual_memory_mib: Address space, on each node.
        gpus: On each node.
        wall_seconds: Rounded up where an engine counts in minutes; the job is then ended to the
            second by what watches it on the node.
        cpu_seconds: Of all the job's processes together.
        queue: Or partition.
        account: Who is charged for it: an account or project of the batch system.
        features: What the nodes must have, all of it.
    """

    cores: int = 1
    nodes: int = 1
    tasks_per_node: int = 1
    memory_mib: int | None = None
    virtual_memory_mib: int | None = None
    gpus: int | None = None
    wall_seconds: int | None = None
    cpu_seconds: int | None = None
    queue: str | None = None
    account: str | None = None
    features: tuple[str, ...] = ()

    @property
    def cores_per_node(self) -> int:
        """How many cores the job has on each node."""
        return self.cores * self.tasks_per_node

    def asked(self) -> frozenset[str]:
        """The names of the fields that say something else than nothing."""
        plain = Resources()
        return frozenset(
            one.name for one in fields(self) if getattr(self, one.name) != getattr(plain, one.name)
        )


RESOURCE_NAMES = frozenset(one.name for one in fields(Resources))
"""All that an engine can give, if it can give all."""


def faults(resources: Resources) -> list[str]:
    """What is wrong with each field, whichever engine it is for."""
    found = []
    for one in fields(resources):
        value = getattr(resources, one.name)
        if isinstance(value, int) and not 1 <= value < _MOST:
            found.append(f"{one.name} must be at least 1 and can be stored; it is {value}")
        texts = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        found += [
            f"{one.name}: not a name of letters, digits and _ . @ + -: {text!r}"
            for text in texts
            if not _NAME.fullmatch(text)
        ]
    return found


def whole_minutes(seconds: int) -> int:
    """For systems that count minutes: one more, as the runner ends the job to the second."""
    return math.ceil(seconds / 60) + 1


def check_supported(resources: Resources, supported: Collection[str], engine: str) -> None:
    """Refuse what an engine cannot give, naming each such field.

    Raises:
        BadRequestError: Some field is asked for that is not among those supported.
    """
    missing = sorted(resources.asked() - {*supported, "cores"})
    if missing:
        told = "; ".join(f"{name}={getattr(resources, name)!r}" for name in missing)
        raise BadRequestError(f"the batch engine {engine!r} cannot give this to a job: {told}")
