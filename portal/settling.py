"""Settling ended jobs: their results are published or taken away, and recorded; then it is final.

Every step can be done again: a process that dies in between is followed by one that goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from ijp.catalog import CatalogSession
from ijp.datastore import Selection
from ijp.errors import InternalError, NotFoundError, PortalError, UnavailableError
from portal import changes, checkpoints, job_folder
from portal.changes import Change
from portal.failure import Failure
from portal.model import UNFINISHED, UNRECORDED, JobOutput, JobRow
from portal.moments import now
from portal.provenance_record import ProvenanceRecord
from portal.services import Services
from portal.states import FINAL, State
from servicekit.database import writing

log = logging.getLogger(__name__)

_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(seconds=60)
_RECORD_AGAIN = timedelta(minutes=10)
CANCELLED = "cancelled"


class Settling:
    """Takes jobs from their end to their final state."""

    def __init__(self, services: Services, record: ProvenanceRecord) -> None:
        self._services = services
        self._database = services.database
        self._record = record

    def due(self, engine_name: str | None = None, most: int = 100) -> Sequence[int]:
        """Ids of jobs that have ended and are not settled, those first that ended first.

        Args:
            engine_name: Those of this engine; None: of the default one.
        """
        engines = self._services.engines
        query = (
            select(JobRow.id)
            .where(UNFINISHED, JobRow.ended_at.is_not(None))
            .where(engines.rows_of(engine_name or engines.default_name))
            .where(or_(JobRow.next_try_at.is_(None), JobRow.next_try_at <= now()))
            .order_by(JobRow.ended_at, JobRow.id)
            .limit(most)
        )
        with Session(self._database) as transaction:
            return transaction.scalars(query).all()

    def settle(self, job_id: int) -> None:
        """Settle one job, or leave it for later if the catalog or the data service is away."""
        row = self._row(job_id)
        if row is None or row.state in FINAL:
            return
        try:
            failure = self._settle_outputs(row)
            checkpoints.reached("outputs settled")
            provenance, problem = self._recorded(row)
            checkpoints.reached("provenance recorded")
        except (UnavailableError, InternalError) as error:
            self._later(row, error)
            return
        self._finish(row, failure, provenance, problem)
        checkpoints.reached("finished")
        self._forget(row)

    def record_again(self) -> None:
        """Try once more to record what the catalog refused before."""
        query = select(JobRow).where(
            UNRECORDED, JobRow.state.in_(sorted(FINAL)), JobRow.next_try_at <= now()
        )
        with Session(self._database) as transaction:
            rows = transaction.scalars(query).all()
        for row in rows:
            try:
                self._set_recorded(row.id, self._record.write(row), now())
            except PortalError as error:
                log.warning("provenance of job %s: %s", row.id, error.message)
                self._set_recorded(row.id, None, None)

    def _row(self, job_id: int) -> JobRow | None:
        with Session(self._database) as transaction:
            return transaction.get(JobRow, job_id)

    def _settle_outputs(self, row: JobRow) -> str:
        """Publish the results of a job that succeeded, take away unfinished ones of another.

        Returns:
            Why the job has not succeeded; "" if it has.
        """
        query = (
            select(JobOutput)
            .join(JobRow, JobRow.id == JobOutput.job_id)
            .where(JobOutput.job_id == row.id, JobOutput.created, ~JobOutput.complete)
            .where(JobRow.attempt == row.attempt, JobRow.ended_at.is_not(None))
        )
        with Session(self._database) as transaction:
            unfinished = [one.dataset_id for one in transaction.scalars(query)]
        failure = row.failure
        for dataset_id in unfinished:
            try:
                self._settle_output(row, dataset_id, failure)
            except NotFoundError:
                self._drop_output(row.id, dataset_id)
            except UnavailableError:
                raise
            except PortalError as error:
                self._tell(row, f"dataset {dataset_id} was left unfinished: {error.message}")
                failure = failure or (
                    "the program ended well, but the portal could not publish its result, "
                    f"dataset {dataset_id}: {error.message}"
                )
        return failure

    def _settle_output(self, row: JobRow, dataset_id: int, failure: str) -> None:
        session = self._services.sessions.kept.of_job(row.id)
        if failure:
            remove_dataset(self._services, session, dataset_id)
            self._drop_output(row.id, dataset_id)
            self._tell(row, f"the unfinished dataset {dataset_id} was removed")
            return
        session.get("Dataset", dataset_id)
        session.update("Dataset", dataset_id, complete=True)
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(
                update(JobOutput)
                .where(JobOutput.job_id == row.id, JobOutput.dataset_id == dataset_id)
                .values(complete=True)
            )

    def _drop_output(self, job_id: int, dataset_id: int) -> None:
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(
                delete(JobOutput).where(
                    JobOutput.job_id == job_id, JobOutput.dataset_id == dataset_id
                )
            )

    def _recorded(self, row: JobRow) -> tuple[int | None, str]:
        """The id of the catalog's Job, and what went wrong if it could not be made."""
        if row.failure and not self._record.traces(row.id).output_datasets:
            return None, ""
        try:
            return self._record.write(row), ""
        except UnavailableError:
            raise
        except PortalError as error:
            log.exception("the provenance of job %s cannot be recorded", row.id)
            return None, f"its provenance is not recorded yet: {error.message}"

    def _finish(self, row: JobRow, failure: str, provenance: int | None, problem: str) -> None:
        state, reason = _outcome(row, failure)
        values = {
            "state": state,
            "reason": reason[:1000],
            "failure_kind": (row.failure_kind or Failure.RESULTS) if state is State.FAILED else "",
            "provenance_id": provenance,
            "recorded": not problem,
            "next_try_at": now() + _RECORD_AGAIN if problem else None,
            "wanted": None,
        }
        if problem:
            self._tell(row, problem)
        changes.apply(self._database, [Change(row.id, values, reason, attempt=row.attempt)])
        log.info("job %s is %s", row.id, state)

    def _forget(self, row: JobRow) -> None:
        """Let go of what an ended job needs no more, here and at the engine."""
        job_folder.tidy(job_folder.of(self._services.settings.work_folder, row.mark))
        try:
            if row.batch_id is not None:
                self._services.engines.of(row.engine).forget(row.batch_id)
        except PortalError as error:
            log.warning("job %s stays in the batch system's records: %s", row.id, error.message)

    def _later(self, row: JobRow, error: PortalError) -> None:
        """Leave a job for later, with growing pauses."""
        pause = min(max(_FIRST_PAUSE, now() - (row.ended_at or now())), _LONGEST_PAUSE)
        reason = f"ended; recording its results waits: {error.message}"[:1000]
        log.warning("job %s: %s", row.id, reason)
        values = {"next_try_at": now() + pause, "reason": reason}
        event = None if row.reason == reason else reason
        changes.apply(self._database, [Change(row.id, values, event, attempt=row.attempt)])

    def _tell(self, row: JobRow, text: str) -> None:
        """Add a line to a job's history."""
        changes.apply(self._database, [Change(row.id, {"id": row.id}, text, attempt=row.attempt)])

    def _set_recorded(self, job_id: int, provenance: int | None, done: object) -> None:
        values = (
            {"recorded": True, "provenance_id": provenance}
            if done
            else {"next_try_at": now() + _RECORD_AGAIN}
        )
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(update(JobRow).where(JobRow.id == job_id).values(**values))


def remove_dataset(services: Services, session: CatalogSession, dataset_id: int) -> None:
    """Delete a dataset with its files, as a user.

    Raises:
        NotFoundError: There is none.
        NotAuthorizedError: The user may not.
    """
    session.get("Dataset", dataset_id)
    datastore = services.datastore.session(session.session_id)
    selection = Selection(dataset_ids=[dataset_id])
    if datastore.datafile_ids(selection):
        datastore.delete(selection)
    session.delete("Dataset", [dataset_id])


def _outcome(row: JobRow, failure: str) -> tuple[State, str]:
    if not failure:
        return State.COMPLETED, "the program ended well"
    if row.cancelled or row.failure == CANCELLED:
        return State.CANCELLED, CANCELLED
    return State.FAILED, failure
