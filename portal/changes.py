"""Writing changes of jobs and their history, many in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, case, insert, literal, update
from sqlalchemy.orm import Session

from portal.model import UNFINISHED, JobEvent, JobRow
from portal.moments import now
from portal.states import State
from servicekit.database import writing

_TOGETHER = 500
_UNSYNCHRONIZED = {"synchronize_session": False}


def writing_many(database: Engine) -> Engine:
    """For statements as long as their number of jobs; kept for the next time they fill memory."""
    return writing(database).execution_options(compiled_cache=None)


@dataclass(frozen=True)
class Change:
    """New values of a job's columns.

    Attributes:
        event: A line for its history; None for changes that nobody needs to read of.
        only_from: The states in which the change applies; a job in another one is left alone.
        attempt: Which attempt it is of; a job that is tried again meanwhile is left alone.
    """

    job_id: int
    values: dict[str, Any]
    event: str | None = None
    only_from: tuple[State, ...] = field(default=())
    attempt: int | None = None


def apply(database: Engine, changes: Iterable[Change]) -> None:
    """Write changes; a job that has meanwhile ended for good is left alone.

    Those that are alike are one statement, so that thousands are written in a moment.
    """
    alike: dict[object, list[Change]] = {}
    for change in changes:
        if change.values or change.event is not None:
            alike.setdefault(_kind(change), []).append(change)
    if not alike:
        return
    with Session(writing_many(database)) as transaction, transaction.begin():
        events: list[dict[str, Any]] = []
        for group in alike.values():
            for start in range(0, len(group), _TOGETHER):
                events += _apply(transaction, group[start : start + _TOGETHER])
        if events:
            transaction.execute(insert(JobEvent), events)


def _kind(change: Change) -> object:
    """What changes must agree in to be one statement: all but the values of their columns."""
    is_alone = any(isinstance(value, (dict, list)) for value in change.values.values())
    one = change.job_id if is_alone else None
    return tuple(change.values), change.event, change.only_from, change.attempt, one


def _apply(transaction: Session, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Write changes that are alike; gives the lines for the histories of those that applied."""
    first = changes[0]
    statement = update(JobRow).where(JobRow.id.in_([one.job_id for one in changes]), UNFINISHED)
    if first.only_from:
        statement = statement.where(JobRow.state.in_(first.only_from))
    if first.attempt is not None:
        statement = statement.where(JobRow.attempt == first.attempt)
    values = {name: _value(name, changes) for name in first.values} or {"id": JobRow.id}
    statement = statement.values(**values).returning(JobRow.id, JobRow.state)
    applied = transaction.execute(statement, execution_options=_UNSYNCHRONIZED).all()
    if first.event is None:
        return []
    text = first.event[:1000]
    return [{"job_id": id, "at": now(), "state": state, "text": text} for id, state in applied]


def _value(name: str, changes: Sequence[Change]) -> Any:
    """The new value of a column: the same for all, or each job's own."""
    value = changes[0].values[name]
    if all(one.values[name] == value for one in changes):
        return value
    kind = JobRow.__table__.c[name].type
    own = {one.job_id: literal(one.values[name], kind) for one in changes}
    return case(own, value=JobRow.id)
