"""Batch files: looked at before anything is submitted, and submitted as one sweep."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ijp.errors import ValidationFailedError
from jobdefs import command
from jobdefs.job_type import JobType
from portal import batch_file, planning, retrying, submitting, sweeps
from portal.batch_file import MOST_FAULTS, Fault, Format
from portal.batch_plan import Planned, plan_all
from portal.batch_row import (
    ARGUMENTS,
    DATAFILES,
    DATASETS,
    NAME,
    OPTION,
    Wanted,
    columns_of,
    header_faults,
    wanted_of,
)
from portal.estimates import Wanted as WantedJobs
from portal.job_record import JobRecord
from portal.job_rows import record_of
from portal.model import JobRow
from portal.planning import Request
from portal.routing import Route
from portal.selection import Selection
from portal.services import Services
from portal.sessions import User
from portal.submitting import Act

PREVIEWED = 50


@dataclass(frozen=True)
class BatchRequest:
    """A batch file that somebody wants to run; nothing in it is trusted.

    Attributes:
        kind: How it is written; None: as it looks.
        version: The job type's version that the user looked at; None: any.
        key: The same key by the same user is the same submission; None: a new one.
        name: What to call the sweep; None: like the job type.
        leave_out: Rows with faults are left out; otherwise they keep all from being submitted.
        engine: The batch engine that the jobs must go to; None: whichever is best.
    """

    job_type: str
    text: str
    kind: Format | None = None
    version: str | None = None
    key: str | None = None
    name: str | None = None
    leave_out: bool = False
    engine: str | None = None


@dataclass(frozen=True)
class PreviewRow:
    """A row with what it would run, or what is wrong with it."""

    line: int
    name: str
    command: tuple[str, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class BatchPreview:
    """What a batch file would do.

    Attributes:
        rows: The first ones of the file.
        faults: All that is wrong, by line, up to a limit.
        good: How many rows are as they should be.
        wrong: How many are not.
        route: To which batch engine the good ones would go; None if there are none.
    """

    job_type: JobType
    columns: tuple[str, ...]
    rows: tuple[PreviewRow, ...]
    faults: tuple[Fault, ...]
    good: int
    wrong: int
    route: Route | None = None

    @property
    def total(self) -> int:
        """All rows."""
        return self.good + self.wrong


@dataclass(frozen=True)
class _Checked:
    """A file with all its rows checked.

    Attributes:
        unread: Of lines that are no rows.
        header: Faults of the header, which are everybody's.
    """

    job_type: JobType
    columns: tuple[str, ...]
    planned: Sequence[Planned]
    unread: tuple[Fault, ...]
    header: tuple[Fault, ...]

    @property
    def good(self) -> list[Planned]:
        """The rows that can be submitted."""
        return [] if self.header else [one for one in self.planned if one.plan is not None]

    @property
    def faults(self) -> list[Fault]:
        """All that is wrong, by line."""
        found = [*self.header, *self.unread, *(f for one in self.planned for f in one.faults)]
        return sorted(found, key=lambda one: one.line)


def preview(services: Services, user: User, asked: BatchRequest) -> BatchPreview:
    """Say what a batch file would do; nothing is stored.

    Raises:
        NotFoundError: No such job type for this user.
        NotAuthorizedError: The user may not use the job type's family.
        TooLargeError: The file, or the number of its rows, is too large.
        ValidationFailedError: It cannot be read at all.
    """
    checked = _check(services, user, asked)
    good = len(checked.good)
    rows = [_shown(services, checked, one) for one in checked.planned[:PREVIEWED]]
    wrong = len(checked.planned) + len(checked.unread) - good
    faults = tuple(checked.faults[:MOST_FAULTS])
    inputs = [one.plan.inputs[0] for one in checked.good if one.plan]
    route = None
    if inputs:
        route = services.jobs.route(user, WantedJobs(checked.job_type, inputs, asked.engine or ""))
    return BatchPreview(checked.job_type, checked.columns, tuple(rows), faults, good, wrong, route)


def submit(services: Services, user: User, asked: BatchRequest) -> list[JobRecord]:
    """Run a batch file: each good row is a job of one sweep, in their order.

    Raises:
        ValidationFailedError: Rows are wrong; ``fields`` says what, by line. Nothing is submitted
            then, unless they are to be left out and some are left.
        ConflictError: The job type has changed since the user looked, or the key was used for
            another request.
        TooLargeError: More jobs than the user may have.
    """
    key = asked.key or secrets.token_hex(16)
    content = _content(asked)
    with Session(services.database) as transaction:
        rows = submitting.earlier(transaction, user.name, key, content)
        if rows is not None:
            return [record_of(row, services.settings) for row in rows]
    checked = _check(services, user, asked)
    if (checked.faults and not asked.leave_out) or not checked.good:
        raise _refusal(checked.faults)
    elements = [one.element() for one in checked.good]
    name = asked.name or checked.job_type.name
    act = Act(key, content, checked.job_type, name, elements, engine=asked.engine or "")
    return services.jobs.store(user, act)


def _refusal(faults: Sequence[Fault]) -> ValidationFailedError:
    fields: dict[str, list[str]] = {}
    for one in faults[:MOST_FAULTS]:
        place = one.text.removesuffix(f": {one.message}")
        fields.setdefault(place, []).append(one.message)
    told = "; ".join(one.text for one in faults[:5])
    more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
    return ValidationFailedError(told + more, fields=fields)


def _content(asked: BatchRequest) -> str:
    parts = ["batch file", asked.job_type, asked.text, asked.kind, asked.leave_out]
    parts += [asked.engine] if asked.engine else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _check(services: Services, user: User, asked: BatchRequest) -> _Checked:
    definitions = services.definitions.current()
    request = Request(asked.job_type, version=asked.version)
    job_type = planning.job_type_of(definitions, user, request)
    table = batch_file.parse(asked.text, services.settings.jobs_per_submission, asked.kind)
    header = header_faults(job_type, table)
    planned: Sequence[Planned] = [Planned(Wanted(row.line), None) for row in table.rows]
    if not header:
        planned = plan_all(definitions, user, job_type, [wanted_of(row) for row in table.rows])
    return _Checked(job_type, table.columns, planned, table.faults, tuple(header))


def _shown(services: Services, checked: _Checked, one: Planned) -> PreviewRow:
    name = one.wanted.name or checked.job_type.name
    if one.plan is None:
        return PreviewRow(one.wanted.line, name, (), one.faults)
    given = one.plan.arguments(one.plan.inputs[0])
    wants = planning.wants(checked.job_type)
    given += planning.appended(services.settings, wants, "…")
    return PreviewRow(
        one.wanted.line, name, tuple(command.argv(checked.job_type, given)), one.faults
    )


def repeat(services: Services, user: User, sweep_id: int, key: str | None) -> list[JobRecord]:
    """Submit a sweep again with the same inputs and options, as a new sweep.

    Raises:
        NotFoundError: There is no such sweep of theirs; or of its data, some are gone.
        ValidationFailedError: The job type, the data or the user's rights have changed.
    """
    old = sweeps.get(services.database, user, sweep_id)
    key = key or secrets.token_hex(16)
    content = hashlib.sha256(f"repeat sweep {sweep_id}".encode()).hexdigest()
    definitions = services.definitions.current()
    job_type = planning.job_type_of(definitions, user, Request(old.job_type))
    query = select(JobRow).where(JobRow.submission_id == sweep_id).order_by(JobRow.id)
    with Session(services.database) as transaction:
        rows = submitting.earlier(transaction, user.name, key, content)
        if rows is not None:
            return [record_of(row, services.settings) for row in rows]
        found = transaction.scalars(query.options(*retrying.WITH_INPUTS)).all()
        wanted = [_as_before(number, row, old.name) for number, row in enumerate(found, start=1)]
    planned = plan_all(definitions, user, job_type, wanted)
    if faults := [fault for one in planned for fault in one.faults]:
        raise _refusal(faults)
    elements = [one.element() for one in planned]
    return services.jobs.store(user, Act(key, content, job_type, old.name, elements))


def _as_before(number: int, row: JobRow, name: str) -> Wanted:
    return Wanted(
        line=number,
        name=None if row.name == name else row.name,
        dataset_ids=tuple(row.dataset_ids),
        datafile_ids=tuple(row.datafile_ids),
        investigation=row.investigation_id,
        options=dict(row.options),
        arguments=tuple(row.raw_arguments),
    )


def template(job_type: JobType, selection: Selection, kind: Format) -> str:
    """A file to fill in: a row for each selected dataset and datafile, with the defaults."""
    columns = columns_of(job_type)
    values = _defaults(job_type)
    inputs = [{DATASETS: str(id)} for id in selection.dataset_ids]
    inputs += [{DATAFILES: str(id)} for id in selection.datafile_ids]
    rows = [values | one for one in inputs or [{}]]
    if kind is Format.JSONL:
        left_out = {NAME, ARGUMENTS}
        names = [name for name in columns if name not in left_out]
        lines = ({name: row.get(name, "") for name in names} for row in rows)
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter="\t" if kind is Format.TSV else ",", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return written.getvalue()


def _defaults(job_type: JobType) -> dict[str, str]:
    columns = columns_of(job_type)
    known = {column.removeprefix(OPTION): column for column in columns}
    return {known[one.key]: one.default_value for one in job_type.options if one.default_value}
