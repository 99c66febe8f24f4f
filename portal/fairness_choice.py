"""Choosing the jobs that start next, and telling those that wait which limit keeps them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Engine, bindparam, func, select, true, update
from sqlalchemy.orm import Session

from portal.fairness import at, next_jobs, that_fit, that_wait
from portal.limits import Limits
from portal.model import JobRow
from portal.moments import now
from portal.states import State
from servicekit.database import writing

_REST = 10.0
_LONGEST_REST_SECONDS = 2.0
_TOLD_AT_ONCE = 5_000
_LOCK = "ijp starting"


class Choosing:
    """Of jobs that are to be started, those whose turn it is and that no limit keeps waiting."""

    def __init__(
        self, database: Engine, limits: Limits, among: ColumnElement[bool] | None = None
    ) -> None:
        """Choose among some of the jobs; limits count all."""
        self._database = database
        self._limits = limits
        among = true() if among is None else among
        self._next = next_jobs(limits, among)
        self._waiting = that_wait(limits, among).subquery()
        self._fitting = that_fit(limits, JobRow.id.in_(bindparam("ids", expanding=True)))
        self._rests_until = 0.0

    def next(self) -> Sequence[JobRow]:
        """The next few; none for a while after all had to wait, the longer the more there are."""
        began = time.monotonic()
        if began < self._rests_until:
            return []
        with Session(self._database) as transaction:
            rows = transaction.scalars(self._next, at(now())).all()
        if not rows and self._limits.limit_running:
            self._tell()
            took = time.monotonic() - began
            self._rests_until = began + min(_REST * took, _LONGEST_REST_SECONDS)
        return rows

    def fitting(self, transaction: Session, rows: Sequence[JobRow]) -> set[int]:
        """Those that may still start, in the transaction that is to mark them as started.

        Others that choose wait until it has ended: two never take what one limit leaves.
        """
        ids = [row.id for row in rows]
        if not self._limits.limit_running:
            return set(ids)
        if transaction.get_bind().dialect.name == "postgresql":
            lock = func.pg_advisory_xact_lock(func.hashtextextended(_LOCK, 0))
            transaction.execute(select(lock))
        return set(transaction.scalars(self._fitting, {**at(now()), "ids": ids}))

    def _tell(self) -> None:
        """Give jobs that wait the reason, where they have another."""
        waiting = self._waiting
        changed = (
            select(waiting.c.id, waiting.c.reason)
            .join(JobRow, JobRow.id == waiting.c.id)
            .where(JobRow.reason != waiting.c.reason)
            .limit(_TOLD_AT_ONCE)
        )
        with self._database.connect() as connection:
            found = connection.execute(changed, at(now())).all()
        by_reason: dict[str, list[int]] = defaultdict(list)
        for id, reason in found:
            by_reason[reason].append(id)
        if by_reason:
            self._write(by_reason)

    def _write(self, by_reason: dict[str, list[int]]) -> None:
        fresh = (JobRow.state == State.STAGING, JobRow.attempted_at.is_(None))
        with Session(writing(self._database)) as transaction, transaction.begin():
            for reason, ids in by_reason.items():
                # what somebody else is changing just now is told the next time
                free = select(JobRow.id).where(JobRow.id.in_(ids), *fresh)
                locked = transaction.scalars(free.with_for_update(skip_locked=True)).all()
                statement = update(JobRow).where(JobRow.id.in_(locked)).values(reason=reason[:1000])
                transaction.execute(statement.execution_options(synchronize_session=False))
