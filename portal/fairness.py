"""Which jobs are given to the batch system next: users take turns, within their limits.

All is one statement, however many users there are. It goes in stages, each of which keeps of the
jobs that the one before left as many as another limit has room for; so all that are left can start
together. The first of those that no limit keeps waiting passes every stage: while any job may
start, one does. Jobs that have been tried already count as running, and are not kept back.

A round of each user's jobs goes before the next one, where jobs that run count as served. Higher
priorities go before that; as jobs that wait gain priority up to the highest, nobody waits for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    case,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)

from portal.fairness_tables import Tables, zero
from portal.limits import Limits
from portal.model import JobRow, Membership, Submission

AT_ONCE = 32
"""How many jobs are chosen in turn; those of sweeps bring the rest of their sweep along."""
MOST_TOGETHER = 1000


def at(moment: datetime) -> dict[str, object]:
    """What the statements are to be executed with, which are made once."""
    return {"moment": moment, "seconds": int(moment.timestamp())}


def next_jobs(limits: Limits, among: ColumnElement[bool]) -> Select[JobRow]:
    """The next jobs of each user in turn, with the sweeps they are of; large sweeps last.

    Args:
        among: Which jobs are asked about; limits count all.
    """
    ready = _ready(limits, among)
    first = (
        select(ready).order_by(ready.c.rank.desc(), ready.c.turn, ready.c.id).limit(AT_ONCE)
    ).subquery()
    whole = (
        select(
            first.c.submission_id,
            func.max(first.c.rank).label("rank"),
            func.min(first.c.turn).label("turn"),
        )
        .group_by(first.c.submission_id)
        .subquery()
    )
    order = (Submission.size > AT_ONCE, whole.c.turn, Submission.id)
    return (
        select(JobRow)
        .join(ready, ready.c.id == JobRow.id)
        .join(whole, whole.c.submission_id == ready.c.submission_id)
        .join(Submission, Submission.id == JobRow.submission_id)
        .order_by(whole.c.rank.desc(), *order, ready.c.rank.desc(), ready.c.turn, JobRow.id)
        .limit(MOST_TOGETHER)
    )


def that_fit(limits: Limits, among: ColumnElement[bool]) -> Select[int]:
    """The ids of those jobs that may start now, all of them together."""
    return select(_ready(limits, among).c.id)


def that_wait(limits: Limits, among: ColumnElement[bool]) -> Select[Any]:
    """The ids of jobs that a limit keeps waiting, each with the ``reason`` for its user."""
    tables = Tables(limits, among)
    due, reached = tables.due, tables.reached()
    if not reached:
        return select(due.c.id, literal("").label("reason")).where(false())
    return (
        tables.joined(select(due.c.id, case(*reached).label("reason")))
        .where(or_(*(is_reached for is_reached, _ in reached)))
        .where(due.c.is_tried.is_(False))
    )


def _ready(limits: Limits, among: ColumnElement[bool]) -> CTE:
    """Jobs that may start now: ``id``, ``submission_id``, ``rank`` (higher first), ``turn``."""
    tables = Tables(limits, among)
    due = tables.due
    if not limits.govern_starts:
        place = _place(due.c.user_name, [due.c.precedence.desc(), due.c.id])
        everything = select(due.c.id, due.c.submission_id, literal(0).label("rank"))
        return everything.add_columns(place.label("turn")).cte("ready")
    foremost = literal(limits.highest_priority + 1).label("rank")
    tried = select(due.c.id, due.c.submission_id, foremost, literal(0).label("turn"))
    fresh = _within_own(tables)
    for stage in (_within_types, _within_groups):
        fresh = stage(tables, fresh)
    fresh = _within_all(tables, fresh, limits.running)
    columns = (fresh.c.id, fresh.c.submission_id, fresh.c.rank, fresh.c.turn)
    return union_all(tried.where(due.c.is_tried), select(*columns)).cte("ready")


def _within_own(tables: Tables) -> CTE:
    """Of those that no limit keeps back, as many as each user may have, with the ``turn``."""
    kept = _within_own_types(tables, _unblocked(tables))
    turn = kept.c.of_user + _place(kept.c.user_name, _own_order(kept))
    turned = select(kept, turn.label("turn")).subquery()
    fits = or_(turned.c.most_of_user.is_(None), turned.c.turn <= turned.c.most_of_user)
    return select(turned).where(fits).cte("within_own")


def _unblocked(tables: Tables) -> CTE:
    due, users = tables.due, tables.users
    query = tables.joined(
        select(
            due.c.id,
            due.c.submission_id,
            due.c.user_name,
            due.c.job_type,
            due.c.precedence,
            tables.rank().label("rank"),
            users.c.running.label("of_user"),
            users.c.most.label("most_of_user"),
            zero(tables.taken.c.running).label("of_own_type"),
            zero(tables.by_type.c.running).label("of_type"),
        )
    ).where(due.c.is_tried.is_(False))
    for is_reached, _ in tables.reached():
        query = query.where(func.coalesce(is_reached, false()).is_(False))
    return query.cte("unblocked")


def _within_own_types(tables: Tables, jobs: CTE) -> CTE:
    most = tables.most_of_own_type(jobs)
    place = _place((jobs.c.user_name, jobs.c.job_type), _own_order(jobs))
    return _within(jobs, most, jobs.c.of_own_type + place, "within_own_types")


def _within_types(tables: Tables, jobs: CTE) -> CTE:
    place = _place(jobs.c.job_type, _order(jobs))
    return _within(jobs, tables.most_of_type(jobs), jobs.c.of_type + place, "within_types")


def _within_all(tables: Tables, jobs: CTE, most: int | None) -> CTE:
    number = tables.total() + _place(None, _order(jobs))
    return _within(jobs, None if most is None else literal(most), number, "within_all")


def _within(jobs: CTE, most: Any, number: Any, name: str) -> CTE:
    """Those whose number is not above the most; all, where there is no limit."""
    if most is None:
        return jobs
    numbered = select(jobs, number.label("number"), most.label("most")).subquery()
    columns = [numbered.c[one.name] for one in jobs.c]
    fits = or_(numbered.c.most.is_(None), numbered.c.number <= numbered.c.most)
    return select(*columns).where(fits).cte(name)


def _within_groups(tables: Tables, jobs: CTE) -> CTE:
    """Without those that come too late in one of their user's groups."""
    if not tables.groups:
        return jobs
    group, by_group = Membership.group_name, tables.by_group
    numbered = (
        select(
            jobs.c.id,
            (zero(by_group.c.running) + _place(group, _order(jobs))).label("number"),
            case(tables.groups, value=group).label("most"),
        )
        .join_from(jobs, Membership, Membership.user_name == jobs.c.user_name)
        .outerjoin(by_group, by_group.c.group_name == group)
        .where(group.in_(tables.groups))
        .subquery()
    )
    late = select(numbered.c.id).where(numbered.c.number > numbered.c.most)
    return select(jobs).where(jobs.c.id.not_in(late)).cte("within_groups")


def _own_order(jobs: CTE) -> list[Any]:
    """The order of one user's jobs."""
    return [jobs.c.rank.desc(), jobs.c.precedence.desc(), jobs.c.id]


def _order(jobs: CTE) -> list[Any]:
    """The order of all users' jobs."""
    return [jobs.c.rank.desc(), jobs.c.turn, jobs.c.id]


def _place(partition: Any, order: list[Any]) -> Any:
    return func.row_number().over(partition_by=partition, order_by=order)
