"""Refusing jobs for which there is no room: which limit, how much is used, and when it frees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ijp.errors import TooLargeError
from ijp.query import query
from portal.limits import Limits
from portal.limits_use import (
    Allowance,
    Kind,
    Scope,
    Tally,
    frees_at,
    of_investigations,
    of_jobs,
    tally,
)
from portal.model import UNFINISHED, JobRow, Membership
from portal.moments import now
from portal.selection import entities
from portal.sessions import User
from portal.settings import PortalSettings

_LOCK = "ijp shared limits"
_MOST_GROUPS = 1_000


@dataclass(frozen=True)
class Demand:
    """What one job would take."""

    job_type: str
    investigation_id: int | None = None
    cores: int = 1
    wall_minutes: int | None = None

    @staticmethod
    def of(job_type: str, investigation_id: int | None, resources: Mapping[str, object]) -> Demand:
        """That of a job that asks for resources as its row has them."""
        minutes = resources.get("wallMinutes")
        cores = int(str(resources.get("cores") or 1))
        return Demand(job_type, investigation_id, cores, int(str(minutes)) if minutes else None)

    @property
    def core_hours(self) -> float:
        """What it may use at most; 0 if it has no time limit."""
        return self.cores * (self.wall_minutes or 0) / 60


@dataclass(frozen=True)
class Standing:
    """What the catalog says that limits depend on.

    Attributes:
        groups: Of the user; None if no limit asks for them.
        investigations: Names by id.
    """

    groups: tuple[str, ...] | None = None
    investigations: Mapping[int, str | None] = field(default_factory=dict)


def standing_of(limits: Limits, user: User, investigations: Iterable[int | None]) -> Standing:
    """Ask the catalog, as the user; it is not asked for what no limit is about.

    A user who may not see the groups that they are in is in none.
    """
    groups: tuple[str, ...] | None = None
    if limits.groups:
        groups = groups_of(user)
    wanted = sorted({id for id in investigations if id is not None})
    names: dict[int, str | None] = {}
    if limits.has_core_hours and wanted:
        found = entities(user.catalog, "SELECT i FROM Investigation i WHERE i.id IN ({})", wanted)
        names = {id: str(found[id]["name"]) if id in found else None for id in wanted}
    return Standing(groups, names)


def groups_of(user: User) -> tuple[str, ...]:
    """The groups of the catalog that a user is in, as far as the user may see them."""
    text = "SELECT DISTINCT g.name FROM Grouping g JOIN g.userGroups m WHERE m.user.name = {}"
    return tuple(str(name)[:255] for name in user.catalog.search(query(text, user.name)))


def remember(transaction: Session, user_name: str, standing: Standing) -> None:
    """Keep a user's groups, by which what runs and waits is counted."""
    if standing.groups is None:
        return
    query = select(Membership).where(Membership.user_name == user_name)
    known = {one.group_name: one for one in transaction.scalars(query)}
    wanted = set(standing.groups[:_MOST_GROUPS])
    for name in known.keys() - wanted:
        transaction.delete(known[name])
    for name in wanted - known.keys():
        transaction.add(Membership(user_name=user_name, group_name=name))
    transaction.flush()


def require(
    transaction: Session,
    settings: PortalSettings,
    user_name: str,
    standing: Standing,
    wanted: Mapping[Demand, int],
) -> None:
    """Refuse jobs for which there is no room, all of them together, in the caller's transaction.

    Args:
        wanted: How many jobs of each kind.

    Raises:
        TooLargeError: With these, a limit on waiting or unfinished jobs, or on core-hours, would
            be exceeded; the message has the numbers.
    """
    limits = settings.limits
    _lock(transaction, limits)
    remember(transaction, user_name, standing)
    for one, number, found in _exceeded(transaction, settings, user_name, wanted):
        raise TooLargeError(_told(transaction, found, user_name, one, number))
    for one in of_investigations(transaction, limits, standing.investigations, now()):
        hours = sum(
            number * demand.core_hours
            for demand, number in wanted.items()
            if demand.investigation_id == one.subject_id
        )
        number = sum(
            number for demand, number in wanted.items() if demand.investigation_id == one.subject_id
        )
        if number and (one.left <= 0 or hours > one.left):
            raise TooLargeError(_told_hours(one, number, hours))


def _lock(transaction: Session, limits: Limits) -> None:
    """Let submissions come one after the other that count towards a limit of several users."""
    is_shared = (
        limits.has_core_hours or bool(limits.of_groups("waiting")) or limits.of_types("waiting")
    )
    if is_shared and transaction.get_bind().dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock(func.hashtextextended(_LOCK, 0))
        transaction.execute(select(lock))


def _exceeded(
    transaction: Session, settings: PortalSettings, user_name: str, wanted: Mapping[Demand, int]
) -> Iterable[tuple[Allowance, int, Tally]]:
    """The limits on numbers of jobs that would be exceeded, and how many jobs count for each."""
    if settings.limits.limit_waiting:
        found = tally(transaction, settings.limits)
    else:
        found = _own_only(transaction, user_name)
    for one in of_jobs(settings, found, user_name):
        number = sum(n for demand, n in wanted.items() if one.concerns(demand.job_type))
        if one.kind is not Kind.RUNNING and number and one.used + number > one.allowed:
            yield one, number, found


def _own_only(transaction: Session, user_name: str) -> Tally:
    """Just how many unfinished jobs a user has: cheaper than all users' numbers."""
    query = (
        select(func.count()).select_from(JobRow).where(JobRow.user_name == user_name, UNFINISHED)
    )
    number = int(transaction.scalar(query) or 0)
    return Tally({(user_name, "", Kind.UNFINISHED): number}, {})


_WHOSE = {
    Scope.USER: "",
    Scope.USER_TYPE: " of type {}",
    Scope.JOB_TYPE: " of type {}, of all users",
    Scope.GROUP: " of the group {}",
}


def _told(transaction: Session, found: Tally, user: str, one: Allowance, number: int) -> str:
    """Why so many jobs are refused."""
    whose = _WHOSE[one.scope].format(one.subject)
    subject = "you have" if one.scope in (Scope.USER, Scope.USER_TYPE) else "there are"
    used, allowed = int(one.used), int(one.allowed)
    limit = f"the {allowed:,} that one user may have"
    if one.scope in (Scope.JOB_TYPE, Scope.GROUP):
        limit = f"the {allowed:,} that may be"
    jobs = f"{one.kind} {'job' if used == 1 else 'jobs'}{whose}"
    text = f"{subject} {used:,} {jobs}; with these {number:,} it would be more than {limit}"
    if number > allowed:
        return f"{text}: submit {allowed:,} at once at most"
    excess = used + number - allowed
    until = frees_at(transaction, found, user, one, excess)
    return f"{text}; {_when(until, excess)}"


def _when(until: datetime | None, excess: int) -> str:
    if until is not None:
        moment = f"{max(until, now()):%Y-%m-%d %H:%M} UTC"
        return f"there is room at {moment} at the latest, by the time limits of those that run"
    jobs = "one" if excess == 1 else f"{excess:,}"
    return f"there is room when {jobs} of them {'has' if excess == 1 else 'have'} gone on"


def _told_hours(one: Allowance, number: int, hours: float) -> str:
    text = (
        f"{one.subject} has used {one.used:,.1f} of its {one.allowed:,.1f} core-hours of this "
        f"{one.period}"
    )
    if one.reserved:
        text += f", and its unfinished jobs may use {one.reserved:,.1f} more"
    if hours:
        text += f"; these {number:,} jobs may use {hours:,.1f}"
    return f"{text}; the next period begins at {one.frees_at:%Y-%m-%d %H:%M} UTC"
