"""What users have of what they may have: jobs that run and wait, and when there is room again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, case, func, select, true
from sqlalchemy.orm import Session

from portal import limits_spent
from portal.fairness_tables import IS_RUNNING
from portal.limits import Limits, Period
from portal.model import UNFINISHED, JobRow, Membership
from portal.settings import PortalSettings
from portal.states import WAITING, State


class Kind(StrEnum):
    """What is limited."""

    RUNNING = "running"
    WAITING = "waiting"
    UNFINISHED = "unfinished"
    CORE_HOURS = "coreHours"


class Scope(StrEnum):
    """Whose use counts towards a limit; but for ``USER`` there is a subject."""

    USER = "user"
    USER_TYPE = "userJobType"
    JOB_TYPE = "jobType"
    GROUP = "group"
    EVERYBODY = "everybody"
    INVESTIGATION = "investigation"


@dataclass(frozen=True)
class Allowance:
    """One limit, and how much of it is used.

    Attributes:
        subject: The name of the group, job type or investigation; "" where there is none.
        subject_id: Of an investigation.
        reserved: Of core-hours, what unfinished jobs may still use by their time limits.
        period: Of core-hours: day, week, month or year.
        frees_at: When there will be more at the latest; None if nobody knows.
    """

    kind: Kind
    scope: Scope
    used: float
    allowed: float
    subject: str = ""
    subject_id: int | None = None
    reserved: float = 0.0
    period: str = ""
    frees_at: datetime | None = None

    @property
    def left(self) -> float:
        """What can still be had."""
        return max(0.0, self.allowed - self.used - self.reserved)

    @property
    def share(self) -> float:
        """How much of it is used, from 0 to 1."""
        whole = self.used + self.reserved
        return min(1.0, whole / self.allowed) if self.allowed else 1.0

    @property
    def name(self) -> str:
        """In words, such as "running jobs of type blur, of all users"."""
        jobs = f"{self.kind} jobs"
        return {
            Scope.USER: f"your {jobs}",
            Scope.USER_TYPE: f"your {jobs} of type {self.subject}",
            Scope.JOB_TYPE: f"{jobs} of type {self.subject}, of all users",
            Scope.GROUP: f"{jobs} of the group {self.subject}",
            Scope.EVERYBODY: f"{jobs} of all users",
            Scope.INVESTIGATION: f"core-hours of {self.subject}",
        }[self.scope]

    def concerns(self, job_type: str) -> bool:
        """Whether a job of this type counts towards it."""
        by_type = self.scope in (Scope.USER_TYPE, Scope.JOB_TYPE)
        return not by_type or self.subject == job_type


@dataclass(frozen=True)
class Tally:
    """Unfinished jobs now.

    Attributes:
        numbers: By user, job type and kind.
        members: By group, for groups that have a limit.
    """

    numbers: Mapping[tuple[str, str, Kind], int]
    members: Mapping[str, frozenset[str]]

    def of(
        self, kind: Kind, users: Collection[str] | None = None, job_type: str | None = None
    ) -> int:
        """How many there are, of some users or all, of one type or all."""
        return sum(
            number
            for (user, its_type, its_kind), number in self.numbers.items()
            if its_kind is kind
            and (users is None or user in users)
            and job_type in (None, its_type)
        )

    def groups_of(self, user: str) -> tuple[str, ...]:
        """A user's groups that have a limit."""
        return tuple(sorted(name for name, members in self.members.items() if user in members))

    @property
    def users(self) -> tuple[str, ...]:
        """Who has unfinished jobs, those with most first."""
        names = {user for user, _, _ in self.numbers}
        return tuple(sorted(names, key=lambda one: (-self.of(Kind.UNFINISHED, {one}), one)))


def tally(transaction: Session, limits: Limits) -> Tally:
    """Count all users' unfinished jobs, in one statement; and look who is in limited groups."""
    counts = [
        func.sum(case((IS_RUNNING, 1), else_=0)),
        func.sum(case((JobRow.state.in_(WAITING), 1), else_=0)),
        func.count(),
    ]
    kinds = (Kind.RUNNING, Kind.WAITING, Kind.UNFINISHED)
    query = (
        select(JobRow.user_name, JobRow.job_type, *counts)
        .where(UNFINISHED)
        .group_by(JobRow.user_name, JobRow.job_type)
    )
    numbers = {
        (user, job_type, kind): int(number)
        for user, job_type, *found in transaction.execute(query)
        for kind, number in zip(kinds, found, strict=True)
    }
    return Tally(numbers, _members(transaction, limits))


def _members(transaction: Session, limits: Limits) -> dict[str, frozenset[str]]:
    if not limits.groups:
        return {}
    found: dict[str, set[str]] = {}
    query = select(Membership).where(Membership.group_name.in_(limits.groups))
    for one in transaction.scalars(query):
        found.setdefault(one.group_name, set()).add(one.user_name)
    return {name: frozenset(members) for name, members in found.items()}


def of_jobs(settings: PortalSettings, found: Tally, user: str) -> list[Allowance]:
    """A user's limits on numbers of jobs, the user's own first; without ``frees_at``."""
    everything = list(_jobs(settings.limits, found, user))
    unfinished = found.of(Kind.UNFINISHED, {user})
    own = Allowance(Kind.UNFINISHED, Scope.USER, unfinished, settings.jobs_per_user)
    return [*everything, own]


def _jobs(limits: Limits, found: Tally, user: str) -> Iterator[Allowance]:
    groups = found.groups_of(user)
    for kind in (Kind.RUNNING, Kind.WAITING):
        most = limits.for_user(kind, user, groups)
        if most is not None:
            yield Allowance(kind, Scope.USER, found.of(kind, {user}), most)
        for name, most in limits.of_types(f"{kind}_per_user").items():
            yield Allowance(kind, Scope.USER_TYPE, found.of(kind, {user}, name), most, name)
        for name, most in limits.of_groups(kind).items():
            if name in groups:
                number = found.of(kind, found.members[name])
                yield Allowance(kind, Scope.GROUP, number, most, name)
        for name, most in limits.of_types(kind).items():
            yield Allowance(kind, Scope.JOB_TYPE, found.of(kind, None, name), most, name)
    if limits.running is not None:
        number = found.of(Kind.RUNNING)
        yield Allowance(Kind.RUNNING, Scope.EVERYBODY, number, limits.running)


def frees_at(
    transaction: Session, found: Tally, user: str, one: Allowance, number: int = 1
) -> datetime | None:
    """When so many running jobs that count will have ended at the latest, by their time limits.

    None if nobody knows: not so many run, or not all of these have a limit.
    """
    minutes = JobRow.resources["wallMinutes"].as_integer()
    query = (
        select(JobRow.started_at, minutes)
        .where(UNFINISHED, JobRow.state == State.EXECUTING, JobRow.ended_at.is_(None))
        .where(JobRow.started_at.is_not(None), minutes.is_not(None), _counted(found, user, one))
    )
    ends = sorted(
        started + timedelta(minutes=wall_minutes)
        for started, wall_minutes in transaction.execute(query)
    )
    return ends[number - 1] if 0 < number <= len(ends) else None


def _counted(found: Tally, user: str, one: Allowance) -> ColumnElement[bool]:
    """Which jobs count towards a limit."""
    by_user, by_type = JobRow.user_name == user, JobRow.job_type == one.subject
    if one.scope is Scope.USER:
        return by_user
    if one.scope is Scope.USER_TYPE:
        return by_user & by_type
    if one.scope is Scope.JOB_TYPE:
        return by_type
    if one.scope is Scope.GROUP:
        return JobRow.user_name.in_(found.members.get(one.subject, ()))
    return true()


def of_investigations(
    transaction: Session,
    limits: Limits,
    names: Mapping[int, str | None],
    moment: datetime,
) -> list[Allowance]:
    """The core-hours of investigations in the present period; of those that have a limit.

    Args:
        names: By id; None where the name is not known.
    """
    allowed = {
        id: most for id, name in names.items() if (most := limits.core_hours_of(name)) is not None
    }
    if not allowed:
        return []
    period = Period.at(moment, limits.period)
    used = limits_spent.used(transaction, period, moment, list(allowed))
    reserved = limits_spent.reserved(transaction, moment, list(allowed))
    return [
        Allowance(
            kind=Kind.CORE_HOURS,
            scope=Scope.INVESTIGATION,
            used=used.get(id, 0.0),
            allowed=most,
            subject=names[id] or f"investigation {id}",
            subject_id=id,
            reserved=reserved.get(id, 0.0),
            period=limits.period,
            frees_at=period.end,
        )
        for id, most in allowed.items()
    ]


def frees_of(
    transaction: Session, found: Tally, user: str, allowances: list[Allowance]
) -> list[Allowance]:
    """The same, where a limit is reached with when there is room for one more."""
    return [
        one
        if one.frees_at is not None or one.left >= 1
        else replace(one, frees_at=frees_at(transaction, found, user, one))
        for one in allowances
    ]
