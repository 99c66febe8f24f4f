"""A job as pages and interfaces show it: read from the tables once, then never changing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from portal.failure import Failure
from portal.states import RETRIED, State


@dataclass(frozen=True)
class JobRecord:
    """One job.

    Attributes:
        reason: For the user, why it is where it is, such as "waiting for a free slot".
        progress: 0 to 1 as the job told; None if it tells none.
        command: The program and its arguments, as they were or will be started.
        arguments: Without the program and what the portal appends.
        wanted: What the user asked for and is not done yet: cancel, hold, release; or None.
        sweep_id: The sweep that it is an element of; None for a job of its own.
        attempt: Which try this is, from 1.
        failure: Why it failed, as a word; None if it has not, or nobody knows.
        current_mark: Of a later attempt; "" for the first.
        recorded: Its provenance is in the catalog, or there is none to be.
        engine: The name of its batch engine.
        engine_reason: Why it is that one; "" where there was no choice.
    """

    id: int
    public_id: str
    name: str
    job_type: str
    job_type_version: str
    user_name: str
    state: State
    reason: str
    submitted_at: datetime
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    options: Mapping[str, Any]
    investigation_id: int | None = None
    wanted: str | None = None
    progress: float | None = None
    progress_message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    node: str | None = None
    provenance_id: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    sweep_id: int | None = None
    attempt: int = 1
    failure: Failure | None = None
    current_mark: str = ""
    recorded: bool = True
    engine: str = ""
    engine_reason: str = ""

    @property
    def mark(self) -> str:
        """Of the present attempt: what its folder is called."""
        return self.current_mark or self.public_id

    @property
    def application_version(self) -> str:
        """The version under which the provenance names the job type: the start of its digest."""
        return self.job_type_version[:12] or "unknown"

    @property
    def is_final(self) -> bool:
        """Whether it has ended and everything about it is recorded."""
        return self.state.is_final

    @property
    def can_cancel(self) -> bool:
        """Whether there is something to cancel."""
        return not self.is_final and self.wanted != "cancel"

    @property
    def can_delete(self) -> bool:
        """Whether it may be deleted."""
        return self.is_final

    @property
    def can_retry(self) -> bool:
        """Whether it may be tried again in place."""
        return self.state in RETRIED and self.recorded

    @property
    def can_hold(self) -> bool:
        """Whether it waits, so that it can be kept from starting."""
        return self.state in (State.STAGING, State.QUEUED) and self.wanted is None

    @property
    def duration(self) -> timedelta | None:
        """How long it ran, of an ended job; None if it never started or still runs."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


@dataclass(frozen=True)
class JobDetails:
    """What a job's own page shows beside the record.

    Attributes:
        datafiles_read: Which files the job really read so far.
        outputs: Datasets that it made, complete or not.
        augmented: Input datasets to which it added parameters.
    """

    record: JobRecord
    dataset_ids: tuple[int, ...]
    datafile_ids: tuple[int, ...]
    datafiles_read: tuple[int, ...]
    outputs: tuple[int, ...]
    augmented: tuple[int, ...]
    events: tuple[Event, ...]
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """How an earlier attempt went, as ``JobRecord`` says of the present one."""

    number: int
    mark: str
    state: State
    reason: str
    failure: Failure | None
    resources: Mapping[str, Any]
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    signal: int | None
    peak_memory_bytes: int | None
    cpu_seconds: float | None
    node: str | None
    provenance_id: int | None
    output_ids: tuple[int, ...]


@dataclass(frozen=True)
class Event:
    """One line of a job's history."""

    at: datetime
    state: State
    text: str


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows; what is None does not restrict.

    Attributes:
        text: Anywhere in the name, the job type or the public id, in any case.
        everybody: All users' jobs; for admins only.
        submitted_since: Not those that were submitted before.
        sweep_id: Only elements of this sweep.
        failure: Only those that failed so.
    """

    states: tuple[State, ...] = ()
    job_type: str | None = None
    text: str | None = None
    user_name: str | None = None
    everybody: bool = False
    submitted_since: datetime | None = None
    sweep_id: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class JobPage:
    """Jobs, newest first; ``next_after`` is the ``after`` of the next page, None at the end."""

    jobs: tuple[JobRecord, ...]
    next_after: int | None
