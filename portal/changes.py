"""Writing changes of jobs and their history, many in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, insert, update
from sqlalchemy.orm import Session

from portal.model import UNFINISHED, JobEvent, JobRow
from portal.moments import now
from portal.states import State
from servicekit.database import writing


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
    """Write changes; a job that has meanwhile ended for good is left alone."""
    listed = list(changes)
    if not listed:
        return
    with Session(writing(database)) as transaction, transaction.begin():
        events = [event for one in listed if (event := _apply(transaction, one))]
        if events:
            transaction.execute(insert(JobEvent), events)


def _apply(transaction: Session, change: Change) -> dict[str, Any] | None:
    statement = update(JobRow).where(JobRow.id == change.job_id, UNFINISHED)
    if change.only_from:
        statement = statement.where(JobRow.state.in_(change.only_from))
    if change.attempt is not None:
        statement = statement.where(JobRow.attempt == change.attempt)
    statement = statement.values(**change.values).returning(JobRow.state)
    state = transaction.execute(statement).scalar()
    if state is None or change.event is None:
        return None
    return {"job_id": change.job_id, "at": now(), "state": state, "text": change.event[:1000]}
