"""What users do with jobs: plan, submit, list, follow, cancel, delete, repeat.

Nothing here starts a program: a submitted job is a row, which the dispatcher takes up.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, Select, func, select, update
from sqlalchemy.orm import Session

from batch.engine import BatchEngine, Capability
from ijp.errors import ConflictError, NotAuthorizedError, NotFoundError, NotImplementedHereError
from ijp.query import like_escaped
from jobdefs.store import DefinitionStore
from portal import audit, job_folder, planning, submitting
from portal.job_record import Event, JobDetails, JobFilter, JobPage, JobRecord
from portal.model import UNFINISHED, JobEvent, JobOutput, JobRead, JobRow
from portal.moments import now
from portal.planning import Preview, Request
from portal.sessions import Sessions, User
from portal.settings import PortalSettings
from portal.states import FINAL, State
from servicekit.database import writing

__all__ = ["Jobs", "Preview", "Request"]


class Jobs:
    """The jobs of all users. A job that is not the caller's is NotFoundError everywhere."""

    def __init__(
        self,
        settings: PortalSettings,
        database: Engine,
        definitions: DefinitionStore,
        sessions: Sessions,
        engine: BatchEngine,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Work on the tables; ``wake`` tells a dispatcher of this process that there is work."""
        self._settings = settings
        self._database = database
        self._definitions = definitions
        self._sessions = sessions
        self._engine = engine
        self._wake = wake

    def preview(self, user: User, request: Request) -> Preview:
        """Say what a request would do, for the form that follows the selection.

        Raises:
            NotFoundError: No such job type for this user, or no such dataset or datafile.
            NotAuthorizedError: The user may not use the job type's family.
        """
        plan = planning.plan(self._definitions.current(), user, request)
        return plan.preview(self._settings)

    def submit(self, user: User, request: Request) -> list[JobRecord]:
        """Accept a request; gives its jobs, in the order of the inputs.

        Raises:
            ValidationFailedError: With ``fields`` for everything that is wrong, also
                ``oneJob`` for a question that is not answered.
            NotFoundError: No such job type for this user, or no such dataset or datafile.
            NotAuthorizedError: The user may not use the job type's family.
            ConflictError: The job type has changed since the form was made, or the key was used
                for another request.
            TooLargeError: More jobs than the user may have.
        """
        key = request.key or secrets.token_hex(16)
        with Session(self._database) as transaction:
            rows = submitting.earlier(transaction, user.name, key, request)
            if rows is not None:
                return [self._record(row) for row in rows]
        plan = planning.plan(self._definitions.current(), user, request)
        plan.require_ready()
        with Session(writing(self._database)) as transaction, transaction.begin():
            rows = submitting.store(
                transaction, self._settings, self._sessions.kept, user, plan, key
            )
            records = [self._record(row) for row in rows]
        self._wake()
        return records

    def page(
        self, user: User, which: JobFilter, *, limit: int = 50, after: int | None = None
    ) -> JobPage:
        """A page of jobs, newest first.

        Args:
            after: The id of the last job of the page before.

        Raises:
            NotAuthorizedError: Other users' jobs are for admins.
        """
        query = _filtered(self._visible(user, which), which)
        if after is not None:
            query = query.where(JobRow.id < after)
        with Session(self._database) as transaction:
            rows = transaction.scalars(query.order_by(JobRow.id.desc()).limit(limit + 1)).all()
        jobs = tuple(self._record(row) for row in rows[:limit])
        return JobPage(jobs, jobs[-1].id if len(rows) > limit else None)

    def count_unfinished(self, user: User) -> int:
        """How many of the user's jobs have not ended."""
        with Session(self._database) as transaction:
            return submitting.unfinished(transaction, user.name)

    def get(self, user: User, reference: int | str) -> JobRecord:
        """One job by its number or public id."""
        with Session(self._database) as transaction:
            return self._record(self._row(transaction, user, reference))

    def details(self, user: User, reference: int | str) -> JobDetails:
        """One job with its inputs, outputs and history."""
        with Session(self._database) as transaction:
            row = self._row(transaction, user, reference)
            events = transaction.scalars(
                select(JobEvent).where(JobEvent.job_id == row.id).order_by(JobEvent.id)
            )
            outputs = transaction.scalars(
                select(JobOutput).where(JobOutput.job_id == row.id).order_by(JobOutput.dataset_id)
            ).all()
            read = select(JobRead.datafile_id).where(JobRead.job_id == row.id)
            return JobDetails(
                record=self._record(row),
                dataset_ids=tuple(row.dataset_ids),
                datafile_ids=tuple(row.datafile_ids),
                datafiles_read=tuple(transaction.scalars(read.order_by(JobRead.datafile_id))),
                outputs=tuple(one.dataset_id for one in outputs if one.created),
                augmented=tuple(one.dataset_id for one in outputs if not one.created),
                events=tuple(Event(one.at, State(one.state), one.text) for one in events),
            )

    def cancel(self, user: User, reference: int | str) -> JobRecord:
        """Have a job end; one that has ended already stays as it is."""
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = self._row(transaction, user, reference)
            if not _is_over(row):
                audit.record(transaction, user.name, "cancel", f"job {row.id}", row.user_name)
                self._cancel(transaction, row)
            record = self._record(row)
        self._wake()
        return record

    def _cancel(self, transaction: Session, row: JobRow) -> None:
        """End a job that no engine can know yet; have the dispatcher end any other."""
        never_tried = (
            update(JobRow)
            .where(
                JobRow.id == row.id, JobRow.state == State.STAGING, JobRow.attempted_at.is_(None)
            )
            .values(state=State.CANCELLED, reason="cancelled before it started", ended_at=now())
            .values(cancelled=True, recorded=True, wanted=None)
        )
        if transaction.execute(never_tried).rowcount:  # type: ignore[attr-defined]
            submitting.add_event(
                transaction, row.id, State.CANCELLED, "cancelled before it started"
            )
        else:
            row.wanted, row.cancelled = "cancel", True
        transaction.flush()
        transaction.refresh(row)

    def hold(self, user: User, reference: int | str) -> JobRecord:
        """Keep a waiting job from starting.

        Raises:
            ConflictError: It does not wait.
            NotImplementedHereError: The engine cannot.
        """
        waiting = (State.STAGING, State.QUEUED, State.HELD)
        return self._ask(user, reference, "hold", Capability.HOLD, waiting)

    def release(self, user: User, reference: int | str) -> JobRecord:
        """Let a held job go on.

        Raises:
            ConflictError: It is not held.
            NotImplementedHereError: The engine cannot.
        """
        waiting = (State.STAGING, State.QUEUED, State.HELD)
        return self._ask(user, reference, "release", Capability.RELEASE, waiting)

    def _ask(
        self,
        user: User,
        reference: int | str,
        wanted: str,
        capability: Capability,
        states: tuple[State, ...],
    ) -> JobRecord:
        if capability not in self._engine.capabilities:
            raise NotImplementedHereError(f"the batch system here cannot {wanted} jobs")
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = self._row(transaction, user, reference)
            if row.state not in states or row.wanted == "cancel":
                raise ConflictError(f"job {row.id} is {row.state} and cannot be put on {wanted}")
            row.wanted = wanted
            audit.record(transaction, user.name, wanted, f"job {row.id}", row.user_name)
            record = self._record(row)
        self._wake()
        return record

    def delete(self, user: User, reference: int | str) -> None:
        """Remove an ended job's record and output; datasets that it made stay.

        Raises:
            ConflictError: It has not ended.
        """
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = self._row(transaction, user, reference)
            if row.state not in FINAL:
                raise ConflictError(f"job {row.id} is {row.state}; cancel it before deleting it")
            if not row.recorded:
                raise ConflictError(f"the provenance of job {row.id} is not recorded yet")
            audit.record(transaction, user.name, "delete", f"job {row.id}", row.user_name)
            folder = job_folder.of(self._settings.work_folder, row.public_id)
            transaction.delete(row)
        shutil.rmtree(folder, ignore_errors=True)

    def repeat(self, user: User, reference: int | str, key: str | None = None) -> list[JobRecord]:
        """Submit a job again with the same inputs, options and arguments.

        Raises:
            As ``submit``: the job type, the data or the user's rights may have changed.
        """
        return self.submit(user, self.request_of(user, reference, key=key))

    def request_of(self, user: User, reference: int | str, key: str | None = None) -> Request:
        """The request that would repeat a job, to fill a form with."""
        with Session(self._database) as transaction:
            row = self._row(transaction, user, reference)
            return Request(
                job_type=row.job_type,
                dataset_ids=tuple(row.dataset_ids),
                datafile_ids=tuple(row.datafile_ids),
                options=dict(row.options),
                arguments=tuple(row.raw_arguments),
                one_job=True,
                investigation_id=row.investigation_id,
                key=key,
                name=row.name,
            )

    def _visible(self, user: User, which: JobFilter) -> Select[JobRow]:
        foreign = which.everybody or which.user_name not in (None, user.name)
        if foreign and not user.is_admin:
            raise NotAuthorizedError("other users' jobs are for administrators")
        query = select(JobRow)
        if which.everybody and which.user_name is None:
            return query
        return query.where(JobRow.user_name == (which.user_name or user.name))

    def _row(self, transaction: Session, user: User, reference: int | str) -> JobRow:
        """One job; a foreign one and none are not told apart."""
        row = transaction.scalar(select(JobRow).where(_referred(reference)))
        if row is None or not (row.user_name == user.name or user.is_admin):
            raise NotFoundError(f"there is no job {reference} of yours")
        return row

    def _record(self, row: JobRow) -> JobRecord:
        return record_of(row, self._settings)


def record_of(row: JobRow, settings: PortalSettings) -> JobRecord:
    """A job as pages and interfaces show it."""
    arguments = (*row.arguments, *planning.appended(settings, row.wants, row.id))
    fields: dict[str, Any] = {name: getattr(row, name) for name in _SAME}
    return JobRecord(
        **fields,
        state=State(row.state),
        command=(*row.program, *arguments),
        arguments=tuple(row.arguments),
    )


_SAME = [
    "id",
    "public_id",
    "name",
    "job_type",
    "job_type_version",
    "user_name",
    "reason",
    "submitted_at",
    "options",
    "investigation_id",
    "wanted",
    "progress",
    "progress_message",
    "started_at",
    "ended_at",
    "exit_code",
    "signal",
    "cpu_seconds",
    "peak_memory_bytes",
    "node",
    "provenance_id",
    "resources",
]


def _is_over(row: JobRow) -> bool:
    return row.state in FINAL or row.ended_at is not None


def _referred(reference: int | str) -> Any:
    text = str(reference)
    if text.isascii() and text.isdigit() and len(text) < 19:
        return JobRow.id == int(text)
    return JobRow.public_id == text[:26]


def _filtered(query: Select[JobRow], which: JobFilter) -> Select[JobRow]:
    if which.states:
        query = query.where(JobRow.state.in_(which.states))
        if not FINAL & set(which.states):
            query = query.where(UNFINISHED)
    if which.submitted_since is not None:
        query = query.where(JobRow.submitted_at >= which.submitted_since)
    if which.job_type:
        query = query.where(JobRow.job_type == which.job_type)
    if which.text:
        pattern = f"%{like_escaped(which.text.lower())}%"
        # joined, so that case is dealt with once a row
        searched = JobRow.name + "\n" + JobRow.job_type + "\n" + JobRow.public_id
        searched = searched + "\n" + JobRow.reason
        query = query.where(func.lower(searched).like(pattern, escape="!"))
    return query
