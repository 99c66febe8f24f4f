"""What limits are about, as tables of one statement: jobs that are due, and what runs already."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal,
    null,
    or_,
    select,
)

from portal.limits import Limits
from portal.model import UNFINISHED, JobRow, Membership
from portal.moments import UtcDateTime
from portal.states import State

IS_RUNNING = and_(
    UNFINISHED,
    JobRow.ended_at.is_(None),
    or_(JobRow.state != State.STAGING, JobRow.attempted_at.is_not(None)),
)
"""Of jobs that the batch system has, or may have got."""


WAITS = "waits: "
"""How the reason of a job begins that a limit keeps waiting."""
_MOMENT = bindparam("moment", type_=UtcDateTime())
_SECONDS = bindparam("seconds", type_=BigInteger())
IS_DUE = and_(
    UNFINISHED,
    JobRow.state == State.STAGING.value,
    or_(JobRow.next_try_at.is_(None), JobRow.next_try_at <= _MOMENT),
)
"""Of jobs that are to be started at a moment, which is a parameter; so are its ``seconds``."""


class Tables:
    """The tables; columns that no limit needs are not made.

    Attributes:
        due: The jobs that are to be started.
        taken: By user and job type, how many run.
        by_user: How many of each user's run.
        by_type: How many of each job type run.
        by_group: How many of the members of each limited group run.
        users: Of due jobs: how many of theirs run and may, their priority, a full group of theirs.
        groups: How many may run, by group.
    """

    def __init__(self, limits: Limits, among: ColumnElement[bool]) -> None:
        """Ask about some of the jobs that are due."""
        self._limits = limits
        self.due = (
            select(
                JobRow.id,
                JobRow.submission_id,
                JobRow.user_name,
                JobRow.job_type,
                JobRow.precedence,
                JobRow.submitted_at,
                JobRow.attempted_at.is_not(None).label("is_tried"),
            )
            .where(IS_DUE, among)
            .cte("due")
        )
        self.taken = (
            select(JobRow.user_name, JobRow.job_type, func.count().label("running"))
            .where(IS_RUNNING)
            .group_by(JobRow.user_name, JobRow.job_type)
            .cte("taken")
        )
        self.by_user = _summed(self.taken, "user_name")
        self.by_type = _summed(self.taken, "job_type")
        self.groups = limits.of_groups("running")
        self.by_group = self._group_sums()
        self.users = self._people()

    def joined(self, query: Select[Any]) -> Select[Any]:
        """A query of due jobs, joined with all that the limits are about."""
        due, taken, users, by_type = self.due, self.taken, self.users, self.by_type
        its_own = and_(taken.c.user_name == due.c.user_name, taken.c.job_type == due.c.job_type)
        return (
            query.join_from(due, users, users.c.user_name == due.c.user_name)
            .outerjoin(taken, its_own)
            .outerjoin(by_type, by_type.c.job_type == due.c.job_type)
        )

    def reached(self) -> list[tuple[ColumnElement[bool], ColumnElement[str]]]:
        """For each limit whether a due job has reached it, and what its user is told then."""
        found = []
        words: tuple[Any, ...]
        users, due = self.users, self.due
        if self._limits_users():
            words = (users.c.running, " of your ", users.c.most, " running jobs")
            found.append((users.c.running >= users.c.most, _told(*words)))
        if (own_most := self.most_of_own_type(due)) is not None:
            own = zero(self.taken.c.running)
            words = (own, " of your ", own_most, " running jobs of type ", due.c.job_type)
            found.append((own >= own_most, _told(*words)))
        if (most_of_type := self.most_of_type(due)) is not None:
            of_type = zero(self.by_type.c.running)
            words = (of_type, " of the ", most_of_type, " running jobs of type ", due.c.job_type)
            found.append((of_type >= most_of_type, _told(*words)))
        if self.groups:
            found.append((users.c.full_group.is_not(None), _told(users.c.full_group)))
        if (most := self._limits.running) is not None:
            reason = _told(self.total(), " of the ", literal(most), " running jobs of all users")
            found.append((self.total() >= most, reason))
        return found

    def most_of_type(self, jobs: CTE) -> Any:
        """How many jobs of a job's type may run; None if none is limited."""
        limits = self._limits.of_types("running")
        return case(limits, value=jobs.c.job_type) if limits else None

    def most_of_own_type(self, jobs: CTE) -> Any:
        """How many jobs of its type its user may have running; None if none is limited."""
        limits = self._limits.of_types("running_per_user")
        return case(limits, value=jobs.c.job_type) if limits else None

    def total(self) -> Any:
        """How many jobs run."""
        return zero(select(func.sum(self.taken.c.running)).scalar_subquery())

    def rank(self) -> ColumnElement[int]:
        """A due job's priority now."""
        limits = self._limits
        if not limits.has_priorities:
            return literal(0)
        priority: Any = self.users.c.priority
        if types := limits.of_types("priority"):
            priority = priority + case(types, value=self.due.c.job_type, else_=0)
        since = cast(extract("epoch", self.due.c.submitted_at), BigInteger)
        waited = cast(_SECONDS, BigInteger) - since
        # not //, for which SQLite may have no function
        gained = case((waited > 0, waited), else_=0).op("/")(60 * limits.aging_minutes)
        priority = priority + cast(gained, BigInteger)
        return case((priority > limits.highest_priority, limits.highest_priority), else_=priority)

    def _people(self) -> CTE:
        limits = self._limits
        names = select(self.due.c.user_name).distinct().subquery()
        most = self._personal(names, "running", limits.running_per_user)
        priority = self._personal(names, "priority", 0)
        columns = [
            names.c.user_name,
            zero(self.by_user.c.running).label("running"),
            cast(null() if most is None else most, Integer).label("most"),
            cast(priority, Integer).label("priority"),
        ]
        if self.groups:
            columns.append(self._full_group(names).label("full_group"))
        by_user = self.by_user
        return (
            select(*columns)
            .join_from(names, by_user, by_user.c.user_name == names.c.user_name, isouter=True)
            .cte("people")
        )

    def _personal(self, names: Any, name: str, otherwise: int | None) -> Any:
        """A user's own value, or the highest of their groups, or that of everybody."""
        own = self._limits.of_users(name)
        by_group = self._limits.of_groups("priority" if name == "priority" else f"{name}_per_user")
        parts: list[Any] = []
        if own:
            parts.append(case(own, value=names.c.user_name))
        if by_group:
            highest = select(func.max(case(by_group, value=Membership.group_name)))
            its = highest.where(Membership.user_name == names.c.user_name)
            parts.append(its.scalar_subquery())
        if otherwise is not None:
            parts.append(literal(otherwise))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else func.coalesce(*parts)

    def _limits_users(self) -> bool:
        limits = self._limits
        everybody = limits.running_per_user is not None
        return everybody or bool(limits.of_users("running") or limits.of_groups("running_per_user"))

    def _group_sums(self) -> CTE:
        group = Membership.group_name
        return (
            select(group, func.sum(self.by_user.c.running).label("running"))
            .join(self.by_user, self.by_user.c.user_name == Membership.user_name)
            .where(group.in_(self.groups))
            .group_by(group)
            .cte("by_group")
        )

    def _full_group(self, names: Any) -> Any:
        """What is said of a user's group that has as many running jobs as it may; None if none."""
        group, by_group = Membership.group_name, self.by_group
        most = case(self.groups, value=group) if self.groups else literal(0)
        running = zero(by_group.c.running)
        words = (running, " of the ", most, " running jobs of the group ", group)
        return (
            select(func.min(_joined(*words)))
            .select_from(Membership)
            .outerjoin(by_group, by_group.c.group_name == group)
            .where(Membership.user_name == names.c.user_name, group.in_(self.groups))
            .where(running >= most)
            .scalar_subquery()
        )


def _summed(taken: CTE, name: str) -> CTE:
    column = taken.c[name]
    sums = select(column, func.sum(taken.c.running).label("running"))
    return sums.group_by(column).cte(f"by_{name}")


def zero(column: Any) -> Any:
    """A number; 0 where there is none."""
    return cast(func.coalesce(column, 0), Integer)


def _told(*parts: Any) -> Any:
    """What a user reads of a job that a limit keeps waiting."""
    return _joined(WAITS, *parts, "; the next starts when one ends")


def _joined(*parts: Any) -> Any:
    """Texts and columns as one text."""
    first, *others = [literal(one) if isinstance(one, str) else cast(one, String) for one in parts]
    whole: Any = first
    for one in others:
        whole = whole + one
    return whole
