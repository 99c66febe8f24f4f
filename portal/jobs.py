"""What users do with jobs: plan, submit, list, follow, cancel, delete, repeat, try again.

Nothing here starts a program: a submitted job is a row, which the dispatcher takes up.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from ijp.errors import NotFoundError, PortalError
from jobdefs.store import DefinitionStore
from portal import job_actions, planning, retrying, submitting
from portal.engines import Engines
from portal.estimates import Estimates, Wanted
from portal.job_actions import Action, Done
from portal.job_record import Attempt, Event, JobDetails, JobFilter, JobPage, JobRecord
from portal.job_rows import attempt_of, filtered, number_of, record_of, row_of, whose
from portal.limits_refusal import standing_of
from portal.model import JobAttempt, JobEvent, JobOutput, JobRead, JobRow
from portal.planning import Preview, Request
from portal.routing import Route
from portal.sessions import Sessions, User
from portal.settings import PortalSettings
from portal.states import State
from servicekit.database import writing

__all__ = ["Jobs", "Preview", "Request"]
_TOGETHER = 500


class Jobs:
    """The jobs of all users. A job that is not the caller's is NotFoundError everywhere."""

    def __init__(
        self,
        settings: PortalSettings,
        database: Engine,
        definitions: DefinitionStore,
        sessions: Sessions,
        engines: Engines,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Work on the tables; ``wake`` tells a dispatcher of this process that there is work."""
        self._settings = settings
        self._database = database
        self._definitions = definitions
        self._sessions = sessions
        self._engines = engines
        self._estimates = Estimates(settings, database, engines)
        self._wake = wake

    def wake(self) -> None:
        """Tell a dispatcher of this process that there is work."""
        self._wake()

    def preview(self, user: User, request: Request) -> Preview:
        """Say what a request would do, for the form that follows the selection.

        Raises:
            NotFoundError: No such job type for this user, or no such dataset or datafile.
            NotAuthorizedError: The user may not use the job type's family.
        """
        plan = planning.plan(self._definitions.current(), user, request)
        preview = plan.preview(self._settings)
        if not plan.inputs:
            return preview
        route = self.route(user, Wanted(plan.job_type, plan.inputs, request.engine or ""))
        faults = {**preview.faults, "engine": [route.fault]} if route.fault else preview.faults
        return replace(preview, route=route, faults=faults)

    def route(self, user: User, wanted: Wanted) -> Route:
        """Say to which batch engine jobs would go, and about when they would be done."""
        return self._estimates.route(user, wanted)

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
            rows = submitting.earlier(transaction, user.name, key, submitting.content_hash(request))
            if rows is not None:
                return [self._record(row) for row in rows]
        plan = planning.plan(self._definitions.current(), user, request)
        plan.require_ready()
        return self.store(user, submitting.act_of(plan, key))

    def store(self, user: User, act: submitting.Act) -> list[JobRecord]:
        """Accept what is checked already, for the best batch engine; raises as ``submit``."""
        act = self._estimates.decided(user, act)
        investigations = (one.investigation_id for one in act.elements)
        standing = standing_of(self._settings.limits, user, investigations)
        with Session(writing(self._database)) as transaction, transaction.begin():
            kept = self._sessions.kept
            rows = submitting.store(transaction, self._settings, kept, user, act, standing)
            records = [self._record(row) for row in rows]
        self._estimates.note_new_jobs()
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
        query = filtered(select(JobRow), which, whose(user, which))
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

    def get(self, user: User, reference: int | str, attempt: int | None = None) -> JobRecord:
        """One job by its number or public id.

        Args:
            attempt: An earlier one, whose outputs are wanted; None: the present.

        Raises:
            NotFoundError: There is no such job, or no such attempt of it.
        """
        with Session(self._database) as transaction:
            row = row_of(transaction, user, reference)
            record = self._record(row)
            if attempt in (None, row.attempt):
                return record
            earlier = transaction.get(JobAttempt, (row.id, attempt))
            if earlier is None:
                raise NotFoundError(f"job {row.id} has no attempt {attempt}")
            return replace(record, current_mark=earlier.mark)

    def details(self, user: User, reference: int | str) -> JobDetails:
        """One job with its inputs, outputs and history."""
        with Session(self._database) as transaction:
            row = row_of(transaction, user, reference)
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
                attempts=_attempts(transaction, row),
            )

    def cancel(self, user: User, reference: int | str) -> JobRecord:
        """Have a job end; one that has ended already stays as it is."""
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = row_of(transaction, user, reference)
            job_actions.cancel(transaction, user, [row])
            record = self._record(row)
        self._wake()
        return record

    def hold(self, user: User, reference: int | str) -> JobRecord:
        """Keep a waiting job from starting.

        Raises:
            ConflictError: It does not wait.
            NotImplementedHereError: The engine cannot.
        """
        return self._move(user, reference, Action.HOLD)

    def release(self, user: User, reference: int | str) -> JobRecord:
        """Let a held job go on; raises as ``hold``."""
        return self._move(user, reference, Action.RELEASE)

    def _move(self, user: User, reference: int | str, action: Action) -> JobRecord:
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = row_of(transaction, user, reference)
            if error := self._immovable(row, action):
                raise error
            job_actions.move(transaction, user, [row], action)
            record = self._record(row)
        self._wake()
        return record

    def _immovable(self, row: JobRow, action: Action) -> PortalError | None:
        return job_actions.cannot(self._engines, row, action) or job_actions.refusal(row, action)

    def delete(self, user: User, reference: int | str) -> None:
        """Remove an ended job's record and output; datasets that it made stay.

        Raises:
            ConflictError: It has not ended.
        """
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = row_of(transaction, user, reference)
            if error := job_actions.undeletable(row):
                raise error
            folders = job_actions.delete(transaction, user, row, self._settings)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def each(self, user: User, action: Action, references: Sequence[str]) -> list[Done]:
        """Do something to many jobs; what does not go for one does not stop the others.

        Raises:
            NotImplementedHereError: The engine cannot.
            TooLargeError: Nothing is tried again, as it would be more jobs than the user may have.
        """
        job_actions.require(self._engines.values(), action)
        if action is Action.RETRY:
            return self.retry(user, references)
        done = []
        if action is Action.REPEAT:
            done = [self._repeat_one(user, reference) for reference in references]
        else:
            for start in range(0, len(references), _TOGETHER):
                done += self._some(user, action, references[start : start + _TOGETHER])
        self._wake()
        return done

    def _repeat_one(self, user: User, reference: str) -> Done:
        try:
            (made,) = self.repeat(user, reference)
        except PortalError as error:
            return Done(reference, number_of(reference), error=error)
        return Done(reference, number_of(reference), made=made.id)

    def _some(self, user: User, action: Action, references: Sequence[str]) -> list[Done]:
        folders: list[Path] = []
        with Session(writing(self._database)) as transaction, transaction.begin():
            rows = self._rows(transaction, user, references)
            refused = self._refused(rows, action)
            ready = {one: row for one, row in rows.items() if row and one not in refused}
            ids = {one: row.id for one, row in ready.items()}
            states: dict[str, State] = {}
            if action is Action.DELETE:
                for row in ready.values():
                    folders += job_actions.delete(transaction, user, row, self._settings)
            elif action is Action.CANCEL:
                job_actions.cancel(transaction, user, list(ready.values()))
                states = _states(transaction, ids)
            elif action in job_actions.ORDERING:
                job_actions.order(transaction, user, list(ready.values()), action)
                states = _states(transaction, ids)
            else:
                job_actions.move(transaction, user, list(ready.values()), action)
                states = _states(transaction, ids)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return [
            refused[one] if one in refused else Done(one, ids[one], states.get(one)) for one in rows
        ]

    def _refused(self, rows: Mapping[str, JobRow | None], action: Action) -> dict[str, Done]:
        """Those to which it cannot be done, with the reason; a job that is named twice once."""
        found: dict[str, Done] = {}
        for reference, row in rows.items():
            if row is None:
                error: PortalError | None = NotFoundError(f"there is no job {reference} of yours")
            elif action is Action.DELETE:
                error = job_actions.undeletable(row)
            elif action in job_actions.ORDERING:
                error = job_actions.misplaced(row)
            else:
                error = None if action is Action.CANCEL else self._immovable(row, action)
            if error is not None:
                state = State(row.state) if row else None
                found[reference] = Done(reference, row.id if row else None, state, error)
        return found

    def _rows(
        self, transaction: Session, user: User, references: Sequence[str]
    ) -> dict[str, JobRow | None]:
        """Jobs by reference, each once, with their inputs; None for what is not the user's."""
        numbers = {one: number for one in references if (number := number_of(one)) is not None}
        found: dict[int, JobRow] = {}
        wanted = list(set(numbers.values()))
        for start in range(0, len(wanted), _TOGETHER):
            query = select(JobRow).where(JobRow.id.in_(wanted[start : start + _TOGETHER]))
            rows = transaction.scalars(query.options(*retrying.WITH_INPUTS)).all()
            found |= {row.id: row for row in rows if row.user_name == user.name or user.is_admin}
        answer: dict[str, JobRow | None] = {}
        seen: set[int] = set()
        for one in dict.fromkeys(references):
            row = found.get(numbers[one]) if one in numbers else _found(transaction, user, one)
            if row is None or row.id not in seen:
                answer[one] = row
            if row is not None:
                seen.add(row.id)
        return answer

    def plan_retry(
        self, user: User, references: Sequence[str], *, more: bool = True
    ) -> retrying.RetryPlan:
        """Say what trying jobs again would do; nothing is done.

        Args:
            more: Twice the memory or time for those that ran out of it.
        """
        with Session(self._database) as transaction:
            rows = self._rows(transaction, user, references)
            transaction.expunge_all()
        definitions = self._definitions.current()
        return retrying.plan(user, self._settings, definitions, rows, more=more)

    def retry(self, user: User, references: Sequence[str], *, more: bool = True) -> list[Done]:
        """Try failed or cancelled jobs again in place; what cannot be is told, job by job.

        Raises:
            TooLargeError: They would be more jobs than the user may have; none is tried.
        """
        plan = self.plan_retry(user, references, more=more)
        investigations = (one.row.investigation_id for one in plan.ready if one.row)
        standing = standing_of(self._settings.limits, user, investigations)
        with Session(writing(self._database)) as transaction, transaction.begin():
            kept = self._sessions.kept
            answers = retrying.perform(transaction, self._settings, kept, user, plan, standing)
        self._wake()
        done = []
        for one in plan.retries:
            job_id = one.row.id if one.row else None
            error = one.error or answers.get(job_id or 0)
            done.append(Done(one.reference, job_id, None if error else State.STAGING, error))
        return done

    def repeat(self, user: User, reference: int | str, key: str | None = None) -> list[JobRecord]:
        """Submit a job again with the same inputs, options and arguments.

        Raises:
            As ``submit``: the job type, the data or the user's rights may have changed.
        """
        return self.submit(user, self.request_of(user, reference, key=key))

    def request_of(self, user: User, reference: int | str, key: str | None = None) -> Request:
        """The request that would repeat a job, to fill a form with."""
        with Session(self._database) as transaction:
            row = row_of(transaction, user, reference)
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

    def _record(self, row: JobRow) -> JobRecord:
        return record_of(row, self._settings)


def _attempts(transaction: Session, row: JobRow) -> tuple[Attempt, ...]:
    if row.attempt == 1:
        return ()
    query = select(JobAttempt).where(JobAttempt.job_id == row.id).order_by(JobAttempt.number)
    return tuple(attempt_of(one) for one in transaction.scalars(query))


def _found(transaction: Session, user: User, reference: str) -> JobRow | None:
    try:
        return row_of(transaction, user, reference)
    except NotFoundError:
        return None


def _states(transaction: Session, ids: Mapping[str, int]) -> dict[str, State]:
    query = select(JobRow.id, JobRow.state).where(JobRow.id.in_(list(ids.values())))
    by_id = {id: State(state) for id, state in transaction.execute(query)}
    return {reference: by_id[id] for reference, id in ids.items() if id in by_id}
