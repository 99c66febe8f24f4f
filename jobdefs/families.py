"""Families of accounts: which users may run which job types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ijp.errors import BadRequestError, NotAuthorizedError
from jobdefs import document
from jobdefs.document import Node
from jobdefs.job_type import JobType
from jobdefs.problem import Problem

# In 2013 the pool's size and the accounts' set-up stood here too.
_ACCOUNTS = ("count", "create", "destroy")


@dataclass(frozen=True, slots=True)
class Family:
    """A family; ``patterns`` are alternatives for the whole user name, none admits everybody.

    Attributes:
        closed: Its definition is wrong, so nobody is admitted.
    """

    name: str
    patterns: tuple[re.Pattern[str], ...] = ()
    closed: bool = False

    def admits(self, user: str) -> bool:
        """Say whether this user, named as the catalog names users, may use it."""
        if self.closed:
            return False
        return not self.patterns or any(one.fullmatch(user) for one in self.patterns)


@dataclass(frozen=True, slots=True)
class Families:
    """All families.

    Attributes:
        default: The family of job types that name none; None: everybody may run those.
        by_name: The families.
        unreadable: The file is there but was never readable: nobody may run anything.
    """

    default: str | None = None
    by_name: Mapping[str, Family] = field(default_factory=dict)
    unreadable: bool = False

    def of(self, job_type: JobType) -> Family:
        """The family that runs a job type.

        Raises:
            BadRequestError: The job type names a family that is not defined.
        """
        name = job_type.family if job_type.family is not None else self.default
        if self.unreadable:
            raise BadRequestError("the facility's families cannot be read; its staff can see why")
        if name is None:
            return Family("")
        try:
            return self.by_name[name]
        except KeyError:
            raise BadRequestError(f"job type {job_type.name!r}: no family {name!r}") from None

    def admits(self, job_type: JobType, user: str) -> bool:
        """Say whether a user may run a job type; nobody may where the family is not defined."""
        try:
            return self.of(job_type).admits(user)
        except BadRequestError:
            return False

    def require(self, job_type: JobType, user: str) -> Family:
        """The family that runs this job type for this user.

        Raises:
            BadRequestError: The job type names a family that is not defined.
            NotAuthorizedError: The family does not admit the user.
        """
        family = self.of(job_type)
        if not family.admits(user):
            raise NotAuthorizedError(f"{user} may not run {job_type.name!r}")
        return family


def read_families(file: Path) -> tuple[Families, list[Problem]]:
    """Read ``families.xml``.

    Raises:
        UnreadableError: It gives no families at all.
    """
    root = document.parse(file, document.read_bytes(file))
    root.expect(("family",), ("default",))
    default = (root.attribute("default") or "").strip() or None
    by_name: dict[str, Family] = {}
    for node in root.children("family"):
        family = _family(node)
        if family.name in by_name:
            node.warning(f"family {family.name!r} is there twice", "the last one counts")
        by_name[family.name] = family
    if default is not None and default not in by_name:
        advice = document.closest(default, by_name) or "add it, or name another"
        root.error(f"default family {default!r} is not defined", advice)
    return Families(default, by_name), root.problems


def _family(node: Node) -> Family:
    node.expect(("allowed", "create", "destroy"), ("name", "count", "create", "destroy"))
    if any(node.attribute(name) or node.children(name) for name in _ACCOUNTS):
        node.notice("count, create and destroy are not used here", "the settings have the accounts")
    name = (node.attribute("name") or "").strip()
    if not name:
        raise node.unreadable("a <family> has no name", 'write <family name="…">')
    patterns: list[re.Pattern[str]] = []
    for allowed in node.children("allowed"):
        allowed.expect((), ("pattern",))
        text = allowed.attribute("pattern")
        if text is None:
            allowed.error("<allowed> has no pattern", 'write <allowed pattern="simple/.*"/>')
            return Family(name, closed=True)
        try:
            patterns.append(re.compile(text))
        except re.error as error:
            allowed.error(
                f"pattern {text!r} is not a regular expression: {error}",
                f"until then nobody is admitted to family {name!r}",
            )
            return Family(name, closed=True)
    return Family(name, tuple(patterns))
