"""Families of accounts: which users may run which job types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ijp.errors import BadRequestError, NotAuthorizedError
from jobdefs.job_type import JobType


@dataclass(frozen=True, slots=True)
class Family:
    """A family; ``patterns`` are alternatives for the whole user name, none admits everybody."""

    name: str
    patterns: tuple[re.Pattern[str], ...] = ()
    closed: bool = False
    """Its definition is wrong: nobody is admitted."""

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
