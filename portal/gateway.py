"""What a job may do, by its token: read what it was started on, make datasets, tell progress.

Everything happens with the rights of the user who submitted the job, and only on what was
selected. What is read and made is noted, so that the portal can record it as provenance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ijp.catalog import CatalogSession, Entity, format_date
from ijp.datastore import Download, Stored
from ijp.datastore import Selection as Stock
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
)
from ijp.query import query
from portal import parameter_values, tokens, uploads
from portal.incoming import Readable
from portal.model import JobOutput, JobRead, JobRow
from portal.moments import now
from portal.parameter_values import Value
from portal.selection import Selection, entities, look_up
from portal.services import Services
from portal.settling import remove_dataset
from portal.states import FINAL
from servicekit import logs
from servicekit.database import writing

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_READ_AT_ONCE = 1 << 20
_ANYTHING = frozenset({"binary", "unknown", "other"})


@dataclass(frozen=True)
class NewDataset:
    """A dataset that a job wants to make."""

    name: str
    type: str
    description: str | None = None
    parameters: tuple[Value, ...] = ()
    start_date: datetime | None = None
    end_date: datetime | None = None


class Gateway:
    """One job's way to the catalog and the data service, for one request."""

    def __init__(self, services: Services, token: str | None) -> None:
        """Find the job of a token.

        Raises:
            NotAuthenticatedError: There is no token, or its job has ended.
        """
        self._services = services
        self._database = services.database
        if token is None:
            raise NotAuthenticatedError("a job's token is needed here")
        with Session(self._database) as transaction:
            self.job = tokens.job_of(transaction, token)
        logs.set_user(f"{self.job.user_name} (job {self.job.id})")
        self._session: CatalogSession = services.sessions.kept.of_job(self.job.id)

    def inputs(self) -> dict[str, Any]:
        """What the job was started on, in the catalog's words at this moment."""
        job = self.job
        selection = Selection(tuple(job.dataset_ids), tuple(job.datafile_ids))
        selected = look_up(self._session, selection)
        ids = selected.selection.dataset_ids
        text = (
            "SELECT found FROM Dataset found WHERE found.id IN {}"
            " INCLUDE found.parameters AS its, its.type"
        )
        parameters = entities(self._session, text, ids)
        text = (
            "SELECT found FROM Dataset found WHERE found.id IN {}"
            " INCLUDE found.datafiles AS files, files.datafileFormat"
        )
        files = entities(self._session, text, ids)
        return {
            "datasets": [
                _dataset(one, parameters.get(one["id"], {}), files.get(one["id"], {}))
                for one in selected.datasets
            ],
            "datafiles": [_datafile(one) for one in selected.datafiles],
        }

    def facility(self) -> str:
        """The name of the facility that the job works for."""
        if self.job.investigation_id is not None:
            text = "SELECT i.facility.name FROM Investigation i WHERE i.id = {}"
            if found := self._session.search(query(text, self.job.investigation_id)):
                return str(found[0])
        return self._services.settings.facility

    def open_datafile(self, datafile_id: int, start: int = 0) -> Download:
        """The content of a selected datafile, or of one that the job made; the reading is noted.

        Raises:
            NotFoundError: It was not selected, or is not there any more.
        """
        text = "SELECT f.dataset.id FROM Datafile f WHERE f.id = {}"
        found = self._session.search(query(text, datafile_id))
        dataset_id = int(found[0]) if found else 0
        selected = datafile_id in self.job.datafile_ids or dataset_id in self.job.dataset_ids
        if not found or not (selected or self._is_made(dataset_id)):
            raise NotFoundError(f"datafile {datafile_id} is not an input of this job")
        datastore = self._services.datastore.session(self._session.session_id)
        download = datastore.get_data(Stock(datafile_ids=[datafile_id]), start=start)
        self._note(
            JobRead,
            {"datafile_id": datafile_id, "dataset_id": dataset_id, "at": now()},
        )
        return download

    def create_dataset(self, wanted: NewDataset) -> int:
        """Make an incomplete dataset in the job's investigation.

        Raises:
            ConflictError: There is one of that name, or the job has no investigation.
            NotAuthorizedError: The user may not make datasets there.
        """
        self._require_running()
        if self.job.investigation_id is None:
            raise ConflictError(
                "no investigation was chosen for the results of this job; submit it with one"
            )
        _check_name("dataset", wanted.name)
        facility = self._facility_id()
        values: dict[str, Any] = {
            "name": wanted.name,
            "complete": False,
            "type": {"id": self._kind("DatasetType", wanted.type, facility)},
            "investigation": {"id": self.job.investigation_id},
            "parameters": parameter_values.typed(self._session, wanted.parameters, facility),
        }
        if wanted.description is not None:
            values["description"] = wanted.description
        for name, moment in (("startDate", wanted.start_date), ("endDate", wanted.end_date)):
            if moment is not None:
                values[name] = format_date(moment)
        dataset_id = self._session.create("Dataset", **values)
        made = {"dataset_id": dataset_id, "created": True, "complete": False, "at": now()}
        try:
            self._note(JobOutput, made)
        except Exception:
            self._session.delete("Dataset", [dataset_id])
            raise
        return dataset_id

    def put_datafile(
        self, dataset_id: int, name: str, content: Readable, format: str | None
    ) -> Stored:
        """Store a file in a dataset that this job made and has not completed.

        Args:
            format: Name of a datafile format; None finds one by the name's ending, if it can.
        """
        self._require_running()
        self._require_open(dataset_id)
        _check_name("file", name)
        format_id = self._format(format, name)
        datastore = self._services.datastore.session(self._session.session_id)
        blocks = iter(lambda: content.read(_READ_AT_ONCE), b"")
        return datastore.put(blocks, name=name, dataset_id=dataset_id, datafile_format_id=format_id)

    def set_parameters(self, dataset_id: int, values: Sequence[Value]) -> None:
        """Give a dataset parameters; one that it has already gets the new value.

        The dataset is one that the job made, or one that it was started on: the user's own
        rights decide whether that may be changed.

        Raises:
            NotFoundError: It is another dataset.
        """
        self._require_running()
        is_made = self._is_made(dataset_id)
        if not is_made and dataset_id not in self.job.dataset_ids:
            raise NotFoundError(f"dataset {dataset_id} is neither input nor output of this job")
        text = "SELECT d.investigation.facility.id FROM Dataset d WHERE d.id = {}"
        found = self._session.search(query(text, dataset_id))
        if not found:
            raise NotFoundError(f"dataset {dataset_id} is not there any more")
        text = "SELECT p FROM DatasetParameter p WHERE p.dataset.id = {} INCLUDE p.type"
        there = {
            int(one["type"]["id"]): int(one["id"])
            for one in self._session.search(query(text, dataset_id))
        }
        written = []
        for one in parameter_values.typed(self._session, values, int(found[0])):
            known = there.get(one["type"]["id"])
            owner = {"id": known} if known is not None else {"dataset": {"id": dataset_id}}
            written.append({"DatasetParameter": one | owner})
        self._session.write(written)
        if not is_made:
            made = {"dataset_id": dataset_id, "created": False, "complete": True, "at": now()}
            self._note(JobOutput, made)

    def complete(self, dataset_id: int) -> None:
        """Let searches find a dataset that the job made."""
        self._require_running()
        self._require_open(dataset_id)
        self._session.get("Dataset", dataset_id)
        self._session.update("Dataset", dataset_id, complete=True)
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(self._own(update(JobOutput), dataset_id).values(complete=True))

    def remove(self, dataset_id: int) -> None:
        """Take away a dataset that the job made and has not completed."""
        self._require_running()
        self._require_open(dataset_id)
        remove_dataset(self._services, self._session, dataset_id)
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = transaction.get(JobOutput, (self.job.id, dataset_id))
            if row is not None:
                transaction.delete(row)

    def tell_progress(self, fraction: float | None, message: str) -> None:
        """Note how far the job is."""
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(
                update(JobRow)
                .where(JobRow.id == self.job.id, JobRow.ended_at.is_(None))
                .values(progress=fraction, progress_message=message)
            )

    def _require_running(self) -> None:
        """Refuse changes once the program has ended: its results are being recorded."""
        if self.job.ended_at is not None or self.job.state in FINAL:
            raise ConflictError("this job has ended; nothing can be added to its results")

    def _is_made(self, dataset_id: int) -> bool:
        return self._output(dataset_id) is not None

    def _require_open(self, dataset_id: int) -> None:
        row = self._output(dataset_id)
        if row is None:
            raise NotFoundError(f"dataset {dataset_id} was not made by this job")
        if row.complete:
            raise ConflictError(f"dataset {dataset_id} is complete; it does not change any more")

    def _output(self, dataset_id: int) -> JobOutput | None:
        """A dataset that this job made."""
        with Session(self._database) as transaction:
            found: JobOutput | None = transaction.scalar(self._own(select(JobOutput), dataset_id))
        return found

    def _own(self, statement: Any, dataset_id: int) -> Any:
        return statement.where(
            JobOutput.job_id == self.job.id,
            JobOutput.dataset_id == dataset_id,
            JobOutput.created,
        )

    def _note(self, table: type[JobRead] | type[JobOutput], values: Mapping[str, Any]) -> None:
        """Add a row unless it is there; of two at once one is enough."""
        with Session(writing(self._database)) as transaction, transaction.begin():
            dialect = transaction.get_bind().dialect.name
            insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
            statement = insert(table).values(job_id=self.job.id, **values)
            transaction.execute(statement.on_conflict_do_nothing())

    def _facility_id(self) -> int:
        text = "SELECT i.facility.id FROM Investigation i WHERE i.id = {}"
        found = self._session.search(query(text, self.job.investigation_id))
        if not found:
            raise NotAuthorizedError("the investigation for the results is not there for this user")
        return int(found[0])

    def _kind(self, entity: str, name: str, facility: int) -> int:
        text = "SELECT t.id FROM " + entity + " t WHERE t.name = {} AND t.facility.id = {}"
        found = self._session.search(query(text, name, facility))
        if not found:
            raise BadRequestError(f"the catalog has no {entity} {name!r}")
        return int(found[0])

    def _format(self, name: str | None, file_name: str) -> int:
        text = "SELECT f FROM DatafileFormat f WHERE f.facility.id = {}"
        formats = self._session.search(query(text, self._facility_id()))
        if name is None:
            chosen = uploads.format_for(formats, file_name) or _anything(formats)
        else:
            chosen = next((int(one["id"]) for one in formats if one["name"] == name), None)
        if chosen is None:
            known = ", ".join(sorted({str(one["name"]) for one in formats})) or "none"
            wanted = f"no datafile format {name!r}" if name else f"no format for {file_name!r}"
            raise BadRequestError(f"the catalog has {wanted} (there are: {known})")
        return chosen


def _anything(formats: Sequence[Entity]) -> int | None:
    """A format that says nothing of the content, for files whose ending says nothing either."""
    found = (one["id"] for one in formats if str(one["name"]).lower() in _ANYTHING)
    return next(map(int, found), None)


def _check_name(what: str, name: str) -> None:
    """Refuse names that are a path, or that no screen shows.

    Raises:
        BadRequestError: Naming it.
    """
    if not _NAME.fullmatch(name) or name in (".", "..") or name != name.strip():
        raise BadRequestError(
            f"{name[:300]!r} cannot be the name of a {what}: 1 to 255 characters without slashes, "
            "control characters, or blanks at the ends"
        )


def _dataset(dataset: Entity, with_parameters: Entity, with_files: Entity) -> dict[str, Any]:
    return {
        "id": dataset["id"],
        "name": dataset["name"],
        "type": dataset["type"]["name"],
        "investigationId": (dataset.get("investigation") or {}).get("id"),
        "parameters": [_parameter(one) for one in with_parameters.get("parameters") or []],
        "datafiles": [_datafile(one) for one in with_files.get("datafiles") or []],
    }


def _parameter(parameter: Entity) -> dict[str, Any]:
    its_type = parameter.get("type") or {}
    found = {"name": its_type.get("name"), "units": its_type.get("units") or ""}
    for name in ("numericValue", "stringValue", "dateTimeValue", "error"):
        if parameter.get(name) is not None:
            found[name] = parameter[name]
    return found


def _datafile(datafile: Entity) -> dict[str, Any]:
    return {
        "id": datafile["id"],
        "name": datafile["name"],
        "size": datafile.get("fileSize"),
        "format": (datafile.get("datafileFormat") or {}).get("name"),
    }
