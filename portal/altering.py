"""Carrying out granted alterations: at the engine, or here as long as it has not got the job."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ijp.errors import EngineError, PortalError
from portal import alterations, submitting
from portal.alterations import DONE, FAILED, GRANTED
from portal.model import Alteration, JobRow
from portal.services import Services
from portal.states import State
from servicekit.database import writing

log = logging.getLogger(__name__)

STARTED = "it had started, or ended, before that"


class Altering:
    """Does what was granted for jobs of one engine; each step can be done again."""

    def __init__(self, services: Services, engine_name: str | None = None) -> None:
        """Alter jobs of an engine; of the default one if none is named."""
        self._database = services.database
        self._engines = services.engines
        self._is_mine = services.engines.rows_of(engine_name or services.engines.default_name)

    def do_granted(self) -> None:
        """All that is granted; what the engine does not answer to is left for later."""
        query = (
            select(Alteration, JobRow)
            .join(JobRow, JobRow.id == Alteration.job_id)
            .where(Alteration.state == GRANTED, self._is_mine)
            .order_by(Alteration.id)
        )
        with Session(self._database) as transaction:
            found = [(made, row) for made, row in transaction.execute(query)]
        for made, row in found:
            self._do(made, row)

    def _do(self, made: Alteration, row: JobRow) -> None:
        is_staging = row.state == State.STAGING
        if is_staging and row.attempted_at is not None:
            return
        if not is_staging:
            if row.state not in (State.QUEUED, State.HELD) or row.batch_id is None:
                self._end(made, row, FAILED, STARTED)
                return
            try:
                self._engines.of(row.engine).alter(row.batch_id, _as_engines_say(made.changes))
            except EngineError as error:
                log.warning("job %s: alter: %s", row.id, error.message)
                return
            except PortalError as error:
                self._end(made, row, FAILED, error.message)
                return
        self._end(made, row, DONE, made.answer)

    def _end(self, made: Alteration, row: JobRow, state: str, answer: str) -> None:
        with Session(writing(self._database)) as transaction, transaction.begin():
            kept = transaction.get_one(Alteration, made.id)
            job = transaction.get_one(JobRow, row.id)
            kept.state, kept.answer = state, answer[:1000]
            text = f"could not be altered: {answer}"
            if state == DONE:
                job.resources = {**job.resources, **made.changes}
                text = f"altered: {alterations.words(made.changes)}"
            submitting.add_event(transaction, job.id, State(job.state), text)


def _as_engines_say(changes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "memoryMiB" in changes:
        found["memory_mib"] = changes["memoryMiB"]
    if "wallMinutes" in changes:
        found["wall_seconds"] = 60 * changes["wallMinutes"]
    if "queue" in changes:
        found["queue"] = changes["queue"]
    return found
