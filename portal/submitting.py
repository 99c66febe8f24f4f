"""Storing a checked request as jobs, all at once and once only."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session
from ulid import ULID

from ijp.errors import ConflictError, TooLargeError
from jobdefs.command import Inputs
from jobdefs.job_type import JobType
from portal import limits_refusal, planning
from portal.kept_sessions import KeptSessions
from portal.limits_refusal import Demand, Standing
from portal.model import UNFINISHED, JobEvent, JobRow, Submission
from portal.moments import now
from portal.planning import Plan, Request
from portal.sessions import User
from portal.settings import PortalSettings
from portal.states import State

WAITING = "waiting to be started"


@dataclass(frozen=True)
class Element:
    """One job that is to be stored: what it does not share with others."""

    inputs: Inputs
    arguments: Sequence[str]
    options: Mapping[str, Any]
    raw_arguments: Sequence[str] = ()
    investigation_id: int | None = None
    name: str | None = None
    input_bytes: int | None = None


@dataclass(frozen=True)
class Act:
    """What a user submits at once: checked, and ready to be stored.

    Attributes:
        content: What tells it apart from another under the same key.
        name: Of the sweep, and of each job that has no name of its own.
        engine: The batch engine of the jobs; what the user wants, until it is decided.
        engine_reason: Why it is that one.
    """

    key: str
    content: str
    job_type: JobType
    name: str
    elements: Sequence[Element]
    engine: str = ""
    engine_reason: str = ""


def act_of(plan: Plan, key: str) -> Act:
    """A checked request as what is stored."""
    return Act(
        key=key,
        content=content_hash(plan.request),
        job_type=plan.job_type,
        name=plan.request.name or plan.job_type.name,
        elements=[
            Element(
                inputs=inputs,
                arguments=plan.arguments(inputs),
                options=plan.choices.values,
                raw_arguments=plan.choices.arguments,
                investigation_id=plan.investigation_of(inputs),
            )
            for inputs in plan.inputs
        ],
        engine=plan.request.engine or "",
    )


def earlier(
    transaction: Session, user_name: str, key: str, content: str
) -> Sequence[JobRow] | None:
    """The jobs that this submission became when it came before; None if it is new.

    Raises:
        ConflictError: The key was used for another request.
    """
    submission = transaction.scalar(
        select(Submission).where(Submission.user_name == user_name, Submission.key == key)
    )
    if submission is None:
        return None
    if submission.content_hash != content:
        raise ConflictError("this form was submitted before with other content; open it again")
    return _jobs(transaction, submission.id)


def store(
    transaction: Session,
    settings: PortalSettings,
    kept: KeptSessions,
    user: User,
    act: Act,
    standing: Standing | None = None,
) -> Sequence[JobRow]:
    """Store jobs in the caller's transaction, which has taken the lock for writing.

    Args:
        standing: What the catalog says that limits depend on; None: as it was the last time.

    Raises:
        TooLargeError: More jobs than there may be by one of the limits.
        ConflictError: The key was used for another request meanwhile.
    """
    lock(transaction, user.name)
    if (found := earlier(transaction, user.name, act.key, act.content)) is not None:
        return found
    check_number(settings, len(act.elements))
    limits_refusal.require(transaction, settings, user.name, standing or Standing(), _wanted(act))
    submission = Submission(
        user_name=user.name,
        key=act.key,
        content_hash=act.content,
        created_at=now(),
        name=act.name[:255],
        job_type=act.job_type.name,
        size=len(act.elements),
    )
    transaction.add(submission)
    session_id = kept.keep(transaction, user.name, user.catalog)
    transaction.flush()
    common = _common(act, user, submission.id, session_id)
    rows = [common | _own(act, one) for one in act.elements]
    transaction.execute(insert(JobRow), rows)
    jobs = _jobs(transaction, submission.id)
    events = [event_of(job.id, State.STAGING, "submitted") for job in jobs]
    transaction.execute(insert(JobEvent), events)
    return jobs


def lock(transaction: Session, user_name: str) -> None:
    """Let a user's submissions come one after the other, so that a key is looked up reliably."""
    if transaction.get_bind().dialect.name == "postgresql":
        number = func.hashtextextended(user_name, 0)
        transaction.execute(select(func.pg_advisory_xact_lock(number)))


def content_hash(request: Request) -> str:
    """What tells two requests under one key apart."""
    content = [
        request.job_type,
        request.dataset_ids,
        request.datafile_ids,
        sorted((name, str(value)) for name, value in request.options.items()),
        request.arguments,
        request.one_job,
        request.investigation_id,
        *([request.engine] if request.engine else []),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def unfinished(transaction: Session, user_name: str) -> int:
    """How many of a user's jobs have not ended."""
    query = (
        select(func.count()).select_from(JobRow).where(JobRow.user_name == user_name, UNFINISHED)
    )
    return int(transaction.scalar(query) or 0)


def add_event(transaction: Session, job_id: int, state: State, text: str) -> None:
    """Add a line to a job's history."""
    transaction.add(JobEvent(**event_of(job_id, state, text)))


def event_of(job_id: int, state: State, text: str) -> dict[str, Any]:
    """A line of a job's history, to be inserted with others."""
    return {"job_id": job_id, "at": now(), "state": state, "text": text[:1000]}


def check_number(settings: PortalSettings, wanted: int) -> None:
    """Refuse more jobs than can be submitted at once.

    Raises:
        TooLargeError: They are too many.
    """
    if wanted > settings.jobs_per_submission:
        raise TooLargeError(
            f"these would be {wanted} jobs; at most {settings.jobs_per_submission} can be "
            "submitted at once"
        )


def _jobs(transaction: Session, submission_id: int) -> Sequence[JobRow]:
    query = select(JobRow).where(JobRow.submission_id == submission_id).order_by(JobRow.id)
    return transaction.scalars(query).all()


def _common(act: Act, user: User, submission_id: int, session_id: int) -> dict[str, Any]:
    """What all jobs of a submission share."""
    job_type = act.job_type
    return {
        "submission_id": submission_id,
        "sweep_id": submission_id if len(act.elements) > 1 else None,
        "user_name": user.name,
        "catalog_session_id": session_id,
        "job_type": job_type.name,
        "job_type_version": job_type.version,
        "creates_provenance": job_type.creates_provenance,
        "program": list(job_type.program),
        "wants": planning.wants(job_type),
        "resources": _resources(job_type),
        "state": State.STAGING,
        "reason": WAITING,
        "submitted_at": now(),
        "engine": act.engine,
        "engine_reason": act.engine_reason,
    }


def _resources(job_type: JobType) -> dict[str, int]:
    resources = job_type.resources
    needed = {
        "cores": resources.cores,
        "memoryMiB": resources.memory_mib,
        "wallMinutes": resources.wall_minutes,
    }
    return {name: value for name, value in needed.items() if value is not None}


def _wanted(act: Act) -> Counter[Demand]:
    """What a submission would take."""
    name, resources = act.job_type.name, _resources(act.job_type)
    return Counter(Demand.of(name, one.investigation_id, resources) for one in act.elements)


def _own(act: Act, element: Element) -> dict[str, Any]:
    """What is one job's own."""
    return {
        "public_id": str(ULID()),
        "name": (element.name or act.name)[:255],
        "dataset_ids": list(element.inputs.dataset_ids),
        "datafile_ids": list(element.inputs.datafile_ids),
        "investigation_id": element.investigation_id,
        "arguments": list(element.arguments),
        "raw_arguments": list(element.raw_arguments),
        "options": dict(element.options),
        "input_bytes": element.input_bytes,
    }
