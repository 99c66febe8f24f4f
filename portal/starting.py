"""Starting jobs: from rows to the batch engine, each exactly once.

What is marked as attempted is committed before the engine hears of it. Whoever comes
back after a crash therefore asks the engine for the marks of all that were attempted, and submits
only what it does not have. Engines take a mark once, should two processes ever act at a time.

The jobs of a sweep go to the engine together, so that it can make them one array.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import case, func, literal, update
from sqlalchemy.orm import Session

from batch.engine import JobSpec
from batch.resources import Resources
from ijp.errors import BadRequestError, EngineError, PortalError
from portal import changes, checkpoints, job_folder, planning, tokens
from portal.changes import Change
from portal.engines import gone
from portal.failure import Failure
from portal.fairness_choice import Choosing
from portal.model import JobRow
from portal.moments import now
from portal.recalling import Recalling
from portal.services import Services
from portal.settings import PortalSettings
from portal.states import State

log = logging.getLogger(__name__)

QUEUED = "waiting for a free slot"
_TRIED_AGAIN = "not started yet, it is tried again"
_FIRST_RETRY_SECONDS = 2.0
_LONGEST_RETRY_SECONDS = 60.0
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Starting:
    """Takes up jobs that are Staging, those of one engine."""

    def __init__(self, services: Services, engine_name: str | None = None) -> None:
        """Take up jobs of an engine; of the default one if none is named."""
        name = engine_name or services.engines.default_name
        self._services = services
        self._settings = services.settings
        self._database = services.database
        self._engine = services.engines[name]
        is_mine = services.engines.rows_of(name)
        self._choosing = Choosing(services.database, services.settings.limits, is_mine)
        self._recalling = Recalling(services)

    def start_some(self) -> int:
        """Submit the next few jobs, users taking turns; gives how many there were."""
        rows = self._with_engine(self._choosing.next())
        if not rows:
            return 0
        checkpoints.reached("chosen")
        try:
            known = self._engine.find([row.mark for row in rows if row.attempted_at])
        except EngineError as error:
            self._put_off(rows, error)
            return 0
        found = {row.id: _queued(row, known[row.mark]) for row in rows if row.mark in known}
        changes.apply(self._database, found.values())
        new, put_off = self._recalling.sort([row for row in rows if row.id not in found])
        changes.apply(self._database, put_off)
        over = [change for row in new if (change := self._given_up(row))]
        changes.apply(self._database, over)
        given_up = {change.job_id for change in over}
        self._submit([row for row in new if row.id not in given_up])
        return len(rows)

    def _with_engine(self, rows: Sequence[JobRow]) -> Sequence[JobRow]:
        """Those whose engine is there; of the others, what no engine has goes to this one."""
        engines = self._services.engines
        lost = [row for row in rows if not engines.knows(row)]
        if not lost:
            return rows
        made = []
        for row in lost:
            why = gone(row.engine)
            if row.cancelled:
                made.append(_never_started(row))
            elif row.attempted_at is None:
                values = {"engine": engines.default_name, "engine_reason": why}
                text = f"goes to {engines.default_name}: {why}"
                made.append(Change(row.id, values, text, (State.STAGING,), attempt=row.attempt))
            else:
                # that engine may have it
                text = f"it may or may not have been started: {why}"
                made.append(_refused(row, text))
        changes.apply(self._database, made)
        return [row for row in rows if engines.knows(row)]

    def _given_up(self, row: JobRow) -> Change | None:
        """The end of a job that the engine does not have and that is not to be tried again."""
        if row.cancelled:
            return _never_started(row)
        tried_for = (now() - (row.attempted_at or now())).total_seconds()
        if tried_for > self._settings.retry_seconds and row.next_try_at is not None:
            return _refused(row, row.reason.replace(_TRIED_AGAIN, "it could not be started"))
        return None

    def _submit(self, rows: Sequence[JobRow]) -> None:
        if not rows:
            return
        secrets = {row.id: tokens.new() for row in rows}
        rows = self._mark(rows, secrets)
        checkpoints.reached("marked")
        specs: list[JobSpec] = []
        ready: list[JobRow] = []
        for row in rows:
            try:
                specs.append(self._spec(row, secrets[row.id]))
                ready.append(row)
            except OSError as error:
                reason = f"its folder cannot be made: {error.strerror or error}"
                self._put_off([row], EngineError(reason))
            except BadRequestError as error:
                self._put_off([row], EngineError(error.message))
        checkpoints.reached("prepared")
        answers = self._answers(specs)
        checkpoints.reached("submitted")
        self._record(ready, answers)
        checkpoints.reached("recorded")

    def _mark(self, rows: Sequence[JobRow], secrets: Mapping[int, str]) -> list[JobRow]:
        """Commit that these are attempted; others that were cancelled, or do not fit, stay."""
        hashes = {row.id: tokens.hash_of(secrets[row.id]) for row in rows}
        attempts: dict[int, list[int]] = {}
        for row in rows:
            attempts.setdefault(row.attempt, []).append(row.id)
        marked: set[int] = set()
        with Session(changes.writing_many(self._database)) as transaction, transaction.begin():
            fitting = self._choosing.fitting(transaction, rows)
            for attempt, ids in attempts.items():
                own = case({id: literal(hashes[id]) for id in ids}, value=JobRow.id)
                statement = (
                    update(JobRow)
                    .where(JobRow.id.in_(fitting.intersection(ids)))
                    .where(JobRow.state == State.STAGING.value)
                    .where(JobRow.cancelled.is_(False), JobRow.attempt == attempt)
                    .values(attempted_at=func.coalesce(JobRow.attempted_at, now()))
                    .values(token_hash=own, token_ends_at=None)
                    .returning(JobRow.id)
                    .execution_options(synchronize_session=False)
                )
                marked |= set(transaction.scalars(statement))
        return [row for row in rows if row.id in marked]

    def _spec(self, row: JobRow, token: str) -> JobSpec:
        settings = self._settings
        folder = job_folder.of(settings.work_folder, row.mark)
        content = {
            "url": settings.public_url,
            "token": token,
            "jobId": row.id,
            "publicId": row.public_id,
        }
        if settings.ca_bundle:
            content["caBundle"] = settings.ca_bundle
        job_folder.prepare(folder, content)
        work = folder / job_folder.WORK
        arguments = (*row.arguments, *planning.appended(settings, row.wants, row.id))
        return JobSpec(
            mark=row.mark,
            owner=row.user_name,
            argv=(*row.program, *arguments),
            environment=environment(settings, work, folder / job_folder.JOB_FILE),
            folder=work,
            stdout=folder / job_folder.STDOUT,
            stderr=folder / job_folder.STDERR,
            resources=_resources(row.resources),
            name=row.job_type[:100],
            output_limit_bytes=settings.output_limit_mib << 20,
            family=self._family(row),
            report=folder / job_folder.JOB_FILE if settings.job_reports else None,
        )

    def _family(self, row: JobRow) -> str:
        """Whose accounts run it: as its type says now, or by default if the type is gone.

        Raises:
            BadRequestError: That family is not defined any more.
        """
        definitions = self._services.definitions.current()
        found = definitions.job_types.get(row.job_type)
        return definitions.families.of(found).name if found else definitions.families.default or ""

    def _answers(self, specs: Sequence[JobSpec]) -> list[str | PortalError]:
        try:
            return self._engine.submit_many(specs) if specs else []
        except PortalError as error:
            return [error] * len(specs)

    def _record(self, rows: Sequence[JobRow], answers: Sequence[str | PortalError]) -> None:
        made = []
        later: dict[str, list[JobRow]] = {}
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, str):
                made.append(_queued(row, answer))
                log.info("job %s submitted as %s", row.id, answer)
            elif isinstance(answer, BadRequestError):
                made.append(_refused(row, f"it could not be started: {answer.message}"))
            else:
                later.setdefault(answer.message, []).append(row)
        changes.apply(self._database, made)
        for message, theirs in later.items():
            self._put_off(theirs, EngineError(message))

    def _put_off(self, rows: Sequence[JobRow], error: PortalError) -> None:
        """Try again later, with growing pauses."""
        made = []
        for row in rows:
            tried_for = now() - (row.attempted_at or now())
            pause = min(
                max(_FIRST_RETRY_SECONDS, tried_for.total_seconds()), _LONGEST_RETRY_SECONDS
            )
            reason = f"{_TRIED_AGAIN}: {error.message}"[:1000]
            values = {"next_try_at": now() + timedelta(seconds=pause), "reason": reason}
            event = None if row.reason == reason else reason
            made.append(Change(row.id, values, event, attempt=row.attempt))
        log.warning("%d jobs could not be started: %s", len(rows), error.message)
        changes.apply(self._database, made)


def environment(settings: PortalSettings, work: Path, job_file: Path) -> dict[str, str]:
    """What a job gets: where programs are, a home of its own, and where its token's file is."""
    path = (str(settings.programs_folder), str(Path(sys.executable).parent), _SYSTEM_PATH)
    return {
        "PATH": os.pathsep.join(path),
        "HOME": str(work),
        "TMPDIR": str(work),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **settings.job_environment,
        "IJP_JOB_FILE": str(job_file),
    }


def _resources(asked: Mapping[str, Any]) -> Resources:
    minutes = asked.get("wallMinutes")
    return Resources(
        cores=asked.get("cores") or 1,
        memory_mib=asked.get("memoryMiB"),
        wall_seconds=None if minutes is None else 60 * minutes,
        queue=asked.get("queue"),
    )


def _queued(row: JobRow, batch_id: str) -> Change:
    values = {"state": State.QUEUED, "reason": QUEUED, "batch_id": batch_id, "next_try_at": None}
    told = "given to the batch system"
    return Change(row.id, values, told, (State.STAGING,), attempt=row.attempt)


def _refused(row: JobRow, reason: str) -> Change:
    values = {
        "state": State.FAILED,
        "reason": reason[:1000],
        "failure_kind": Failure.START,
        "ended_at": now(),
        "token_ends_at": now(),
        "recorded": True,
        "wanted": None,
    }
    return Change(row.id, values, reason, (State.STAGING,), attempt=row.attempt)


def _never_started(row: JobRow) -> Change:
    change = _refused(row, "cancelled before it started")
    return replace(change, values=change.values | {"state": State.CANCELLED, "failure_kind": ""})
