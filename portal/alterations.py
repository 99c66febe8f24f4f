"""Asking for other limits of a job that waits; an administrator grants or refuses it.

What is granted is carried out by the dispatcher, as all that the batch system is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from batch.engine import Capability
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    NotImplementedHereError,
)
from portal import audit, submitting
from portal.job_rows import row_of
from portal.model import Alteration, JobRow
from portal.moments import now
from portal.services import Services
from portal.sessions import User
from portal.states import WAITING, State
from servicekit.database import writing

PENDING, GRANTED, REFUSED, DONE, FAILED = "pending", "granted", "refused", "done", "failed"
OPEN = (PENDING, GRANTED)
MOST_LISTED = 200
_QUEUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")
_NUMBERS = ("memoryMiB", "wallMinutes")
_MOST = 2**31


@dataclass(frozen=True)
class AlterationRecord:
    """A request to alter a job.

    Attributes:
        changes: By the names of ``resources``; ``before`` is what the job has now.
        note: Why, in its user's words.
        answer: Why it was refused, or what became of it.
    """

    id: int
    job_id: int
    job_name: str
    user_name: str
    asked_at: datetime
    changes: Mapping[str, Any]
    before: Mapping[str, Any]
    note: str
    state: str
    decided_by: str | None
    decided_at: datetime | None
    answer: str

    @property
    def is_open(self) -> bool:
        """Whether it is not decided, or not carried out yet."""
        return self.state in OPEN


def words(changes: Mapping[str, Any]) -> str:
    """What is asked for: "1024 MiB of memory and the queue long"."""
    templates = {
        "memoryMiB": "{} MiB of memory",
        "wallMinutes": "{} min of time",
        "queue": "the queue {}",
    }
    return " and ".join(
        text.format(changes[name]) for name, text in templates.items() if name in changes
    )


def ask(
    services: Services, user: User, reference: str, changes: Mapping[str, Any], note: str = ""
) -> AlterationRecord:
    """Ask for other limits; what an administrator asks for is granted.

    Args:
        changes: Of ``memoryMiB``, ``wallMinutes`` and ``queue``.

    Raises:
        BadRequestError: Nothing is asked for, or something that cannot be.
        ConflictError: The job does not wait, or something was asked for already.
        NotImplementedHereError: The batch system cannot change jobs that it has.
    """
    wanted = _checked(changes)
    with Session(writing(services.database)) as transaction, transaction.begin():
        submitting.lock(transaction, user.name)
        row = row_of(transaction, user, reference)
        _check_job(services, row)
        query = select(Alteration).where(Alteration.job_id == row.id, Alteration.state.in_(OPEN))
        if transaction.scalar(query) is not None:
            raise ConflictError(f"job {row.id} has a request already; wait for the answer")
        wanted = {name: value for name, value in wanted.items() if row.resources.get(name) != value}
        if not wanted:
            raise BadRequestError(f"job {row.id} has that already")
        made = Alteration(
            job_id=row.id,
            user_name=user.name,
            asked_at=now(),
            changes=wanted,
            note=note[:1000],
            state=GRANTED if user.is_admin else PENDING,
            answer="",
            decided_by=user.name if user.is_admin else None,
            decided_at=now() if user.is_admin else None,
        )
        transaction.add(made)
        told = "" if user.is_admin else "; an administrator decides"
        text = f"asked for {words(wanted)}{told}"
        submitting.add_event(transaction, row.id, State(row.state), text)
        audit.record(transaction, user.name, "alter", f"job {row.id}", words(wanted))
        transaction.flush()
        record = _record(made, row)
    services.jobs.wake()
    return record


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in changes.items():
        if value in (None, ""):
            continue
        if name in _NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _MOST:
                raise BadRequestError(f"{name} must be a whole number above 0, not {value!r}")
        elif name != "queue":
            raise BadRequestError(f"{name!r} of a job cannot be altered")
        elif not isinstance(value, str) or not _QUEUE.fullmatch(value):
            raise BadRequestError(f"no queue is called {str(value)[:60]!r}")
        found[name] = value
    if not found:
        raise BadRequestError("say what is to be altered: memory, time or queue")
    return found


def _check_job(services: Services, row: JobRow) -> None:
    if row.state not in WAITING or row.wanted == "cancel":
        raise ConflictError(f"job {row.id} is {row.state}; only what waits can be altered")
    is_here = row.state == State.STAGING and row.attempted_at is None
    if not is_here and Capability.ALTER not in services.engines.of(row.engine).capabilities:
        raise NotImplementedHereError("the batch system here cannot alter jobs that it has")


def decide(
    services: Services, user: User, alteration_id: int, *, grant: bool, reason: str = ""
) -> AlterationRecord:
    """Grant a request or refuse it.

    Raises:
        NotAuthorizedError: That is for administrators.
        BadRequestError: A refusal needs a reason.
        ConflictError: It is decided already.
    """
    if not user.is_admin:
        raise NotAuthorizedError("alterations are granted by administrators")
    if not grant and not reason.strip():
        raise BadRequestError("say why it is refused: its user reads that")
    with Session(writing(services.database)) as transaction, transaction.begin():
        made = transaction.get(Alteration, alteration_id, with_for_update=True)
        if made is None:
            raise NotFoundError(f"there is no request {alteration_id}")
        if made.state != PENDING:
            raise ConflictError(f"request {alteration_id} is {made.state} already")
        row = transaction.get_one(JobRow, made.job_id)
        made.state = GRANTED if grant else REFUSED
        made.decided_by, made.decided_at = user.name, now()
        made.answer = reason.strip()[:1000]
        verb = "granted" if grant else "refused"
        text = f"{verb}: {words(made.changes)}{f' ({made.answer})' if made.answer else ''}"
        submitting.add_event(transaction, row.id, State(row.state), text)
        audit.record(transaction, user.name, f"alteration {verb}", f"job {row.id}", made.answer)
        record = _record(made, row)
    services.jobs.wake()
    return record


def listed(services: Services, user: User, *, is_open: bool = False) -> list[AlterationRecord]:
    """The newest requests: a user's own, an administrator's of everybody."""
    query = select(Alteration, JobRow).join(JobRow, JobRow.id == Alteration.job_id)
    if not user.is_admin:
        query = query.where(Alteration.user_name == user.name)
    if is_open:
        query = query.where(Alteration.state == PENDING)
    query = query.order_by(Alteration.id.desc()).limit(MOST_LISTED)
    with Session(services.database) as transaction:
        return [_record(made, row) for made, row in transaction.execute(query)]


def of_job(services: Services, job_id: int) -> Sequence[AlterationRecord]:
    """The requests about one job, the last first; the caller has seen to the rights."""
    query = (
        select(Alteration, JobRow)
        .join(JobRow, JobRow.id == Alteration.job_id)
        .where(Alteration.job_id == job_id)
        .order_by(Alteration.id.desc())
    )
    with Session(services.database) as transaction:
        return [_record(made, row) for made, row in transaction.execute(query)]


def _record(made: Alteration, row: JobRow) -> AlterationRecord:
    return AlterationRecord(
        id=made.id,
        job_id=row.id,
        job_name=row.name,
        user_name=made.user_name,
        asked_at=made.asked_at,
        changes=dict(made.changes),
        before={name: row.resources.get(name) for name in made.changes},
        note=made.note,
        state=made.state,
        decided_by=made.decided_by,
        decided_at=made.decided_at,
        answer=made.answer,
    )
