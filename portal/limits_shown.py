"""Limits as pages and interfaces show them: a user's own, and everybody's for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from portal.limits import Period
from portal.limits_refusal import remember, standing_of
from portal.limits_use import (
    Allowance,
    Kind,
    Scope,
    Tally,
    frees_of,
    of_investigations,
    of_jobs,
    tally,
)
from portal.model import UNFINISHED, JobRow
from portal.moments import now
from portal.services import Services
from portal.sessions import User
from servicekit.database import writing

MOST_INVESTIGATIONS = 20
MOST_USERS = 500


@dataclass(frozen=True)
class UserUse:
    """What one user has.

    Attributes:
        running: With the batch system.
        running_allowed: None: there is no limit. Likewise ``waiting_allowed``.
        groups: Of the user, those that have a limit.
    """

    user: str
    running: int
    waiting: int
    unfinished: int
    running_allowed: int | None
    waiting_allowed: int | None
    priority: int
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Everybody:
    """Who uses what, those with most jobs first; and the limits that several share."""

    users: tuple[UserUse, ...]
    shared: tuple[Allowance, ...]


@dataclass(frozen=True)
class Own:
    """What a user may have, and their priority."""

    allowances: tuple[Allowance, ...]
    priority: int


def own(services: Services, user: User) -> Own:
    """A user's limits, with those on core-hours of investigations that their jobs are about."""
    settings, database, moment = services.settings, services.database, now()
    limits = settings.limits
    ids = _investigations(database, user.name, Period.at(moment, limits.period).start)
    standing = standing_of(limits, user, ids if limits.has_core_hours else [])
    if standing.groups is not None:
        with Session(writing(database)) as transaction, transaction.begin():
            remember(transaction, user.name, standing)
    with Session(database) as transaction:
        found = tally(transaction, limits)
        jobs = frees_of(transaction, found, user.name, of_jobs(settings, found, user.name))
        hours = of_investigations(transaction, limits, standing.investigations, moment)
    priority = limits.for_user("priority", user.name, found.groups_of(user.name)) or 0
    return Own((*jobs, *hours), priority)


def _investigations(database: Engine, user_name: str, since: datetime) -> list[int]:
    """Of a user's jobs that are unfinished or ended lately, the newest first."""
    query = (
        select(JobRow.investigation_id)
        .where(JobRow.user_name == user_name, JobRow.investigation_id.is_not(None))
        .where(or_(UNFINISHED, JobRow.ended_at >= since))
        .order_by(JobRow.id.desc())
        .limit(2_000)
    )
    with database.connect() as connection:
        found = [id for id in connection.scalars(query) if id is not None]
    return list(dict.fromkeys(found))[:MOST_INVESTIGATIONS]


def everybody(services: Services) -> Everybody:
    """Who uses what; the caller has seen to it that this is an administrator."""
    limits = services.settings.limits
    with Session(services.database) as transaction:
        found = tally(transaction, limits)
    users = tuple(_use(services, found, name) for name in found.users[:MOST_USERS])
    return Everybody(users, tuple(_shared(services, found)))


def _use(services: Services, found: Tally, name: str) -> UserUse:
    limits, groups = services.settings.limits, found.groups_of(name)
    return UserUse(
        user=name,
        running=found.of(Kind.RUNNING, {name}),
        waiting=found.of(Kind.WAITING, {name}),
        unfinished=found.of(Kind.UNFINISHED, {name}),
        running_allowed=limits.for_user("running", name, groups),
        waiting_allowed=limits.for_user("waiting", name, groups),
        priority=limits.for_user("priority", name, groups) or 0,
        groups=groups,
    )


def _shared(services: Services, found: Tally) -> list[Allowance]:
    limits = services.settings.limits
    made = []
    for kind in (Kind.RUNNING, Kind.WAITING):
        for name, most in limits.of_groups(kind).items():
            number = found.of(kind, found.members.get(name, ()))
            made.append(Allowance(kind, Scope.GROUP, number, most, name))
        for name, most in limits.of_types(kind).items():
            made.append(Allowance(kind, Scope.JOB_TYPE, found.of(kind, None, name), most, name))
    if limits.running is not None:
        number = found.of(Kind.RUNNING)
        made.append(Allowance(Kind.RUNNING, Scope.EVERYBODY, number, limits.running))
    return made
