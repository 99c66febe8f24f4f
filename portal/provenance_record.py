"""What was made from what, written into the catalog by the portal's own account.

It is taken from what the gateway saw: the files that the job really read, the datasets that its
token created. A job can neither leave it out nor make it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ijp.catalog import CatalogSession, Entity
from ijp.errors import ConflictError, InternalError
from ijp.query import query
from portal import checkpoints
from portal.model import JobOutput, JobRead, JobRow
from portal.service_account import ServiceAccount
from portal.services import Services

PARAMETER = "ijp.job"
"""Name of the parameter type by which a data collection names the portal's job."""
_VERSION_LENGTH = 12
_ARGUMENTS_LENGTH = 255
_AT_ONCE = 500


@dataclass(frozen=True)
class Traces:
    """What a job left at the gateway.

    Attributes:
        read: Datafile id to the id of its dataset.
        created: Datasets that it made.
        augmented: Datasets to which it added parameters.
    """

    read: dict[int, int]
    created: tuple[int, ...]
    augmented: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.read or self.created or self.augmented)

    @property
    def input_datasets(self) -> list[int]:
        """The datasets of which something was used, without those that the job made itself."""
        return sorted((set(self.read.values()) | set(self.augmented)) - set(self.created))

    @property
    def input_datafiles(self) -> list[int]:
        """The files that were read, without those that the job made itself."""
        return sorted(file for file, dataset in self.read.items() if dataset not in self.created)

    @property
    def output_datasets(self) -> list[int]:
        """What there is since the job, or is not as it was."""
        return sorted({*self.created, *self.augmented})


class ProvenanceRecord:
    """Writes Applications, Jobs and their DataCollections."""

    def __init__(self, services: Services, account: ServiceAccount) -> None:
        self._database = services.database
        self._settings = services.settings
        self._account = account

    def traces(self, job_id: int) -> Traces:
        """What a job left at the gateway so far."""
        with Session(self._database) as transaction:
            reads = transaction.scalars(select(JobRead).where(JobRead.job_id == job_id))
            read = {one.datafile_id: one.dataset_id for one in reads}
            outputs = transaction.scalars(
                select(JobOutput).where(JobOutput.job_id == job_id).order_by(JobOutput.dataset_id)
            ).all()
        return Traces(
            read=read,
            created=tuple(one.dataset_id for one in outputs if one.created),
            augmented=tuple(one.dataset_id for one in outputs if not one.created),
        )

    def write(self, job: JobRow) -> int | None:
        """Record an ended job; gives the id of its catalog Job, also when it was there already.

        None if there is nothing to record: the job type makes no provenance, and the job used
        no data.

        Raises:
            PortalError: The catalog did not take it.
        """
        traces = self.traces(job.id)
        if not (traces or job.creates_provenance):
            return None
        return self._account.use(lambda session: self._write(session, job, traces))

    def _write(self, session: CatalogSession, job: JobRow, traces: Traces) -> int:
        if (known := _known(session, job)) is not None:
            return known
        outputs = _existing(session, "Dataset", traces.output_datasets)
        datasets = _existing(session, "Dataset", traces.input_datasets)
        datafiles = _existing(session, "Datafile", traces.input_datafiles)
        facility = self._facility(session, job, [*outputs, *datasets])
        mark = {"type": {"id": _parameter_type(session, facility)}, "stringValue": job.mark}
        output = _collection(session, job)
        if output is None:
            output = session.create(
                "DataCollection", parameters=[mark], dataCollectionDatasets=_members(outputs)
            )
        checkpoints.reached("collection made")
        record = {
            "application": {"id": _application(session, facility, job)},
            "arguments": _shortened(job.arguments),
            "outputDataCollection": {"id": output},
        }
        # one call, one transaction: where the input collection is, the Job is too
        session.create(
            "DataCollection",
            parameters=[mark],
            dataCollectionDatasets=_members(datasets),
            dataCollectionDatafiles=_members(datafiles, "datafile"),
            jobsAsInput=[record],
        )
        if (made := _known(session, job)) is None:
            raise InternalError(f"the catalog did not keep the provenance of job {job.id}")
        return made

    def _facility(self, session: CatalogSession, job: JobRow, datasets: Sequence[int]) -> int:
        """The facility of the job's data; the settings' one for jobs without data."""
        asked = []
        if datasets:
            text = "SELECT d.investigation.facility.id FROM Dataset d WHERE d.id = {}"
            asked.append(query(text, datasets[0]))
        if job.investigation_id is not None:
            text = "SELECT i.facility.id FROM Investigation i WHERE i.id = {}"
            asked.append(query(text, job.investigation_id))
        name = self._settings.facility
        asked.append(query("SELECT f.id FROM Facility f WHERE f.name = {}", name))
        for one in asked:
            if found := session.search(one):
                return int(found[0])
        raise InternalError(f"the catalog has no facility {name!r}")


def _known(session: CatalogSession, job: JobRow) -> int | None:
    text = (
        "SELECT j.id FROM Job j JOIN j.outputDataCollection c JOIN c.parameters p"
        " JOIN p.type t WHERE t.name = {} AND p.stringValue = {}"
    )
    return _first(session.search(query(text, PARAMETER, job.mark)))


def _collection(session: CatalogSession, job: JobRow) -> int | None:
    """The output collection of a recording that was broken off."""
    text = (
        "SELECT c.id FROM DataCollection c JOIN c.parameters p"
        " JOIN p.type t WHERE t.name = {} AND p.stringValue = {}"
    )
    return _first(session.search(query(text, PARAMETER, job.mark)))


def _application(session: CatalogSession, facility: int, job: JobRow) -> int:
    version = job.job_type_version[:_VERSION_LENGTH] or "unknown"
    return _ensured(
        session,
        query(
            "SELECT a.id FROM Application a"
            " WHERE a.facility.id = {} AND a.name = {} AND a.version = {}",
            facility,
            job.job_type,
            version,
        ),
        "Application",
        {"name": job.job_type, "version": version, "facility": {"id": facility}},
    )


def _parameter_type(session: CatalogSession, facility: int) -> int:
    return _ensured(
        session,
        query(
            "SELECT t.id FROM ParameterType t WHERE t.facility.id = {} AND t.name = {}",
            facility,
            PARAMETER,
        ),
        "ParameterType",
        {
            "name": PARAMETER,
            "units": "N/A",
            "valueType": "STRING",
            "applicableToDataCollection": True,
            "description": "The public id of the portal's job that used or made these data.",
            "facility": {"id": facility},
        },
    )


def _ensured(session: CatalogSession, search: str, entity: str, values: Entity) -> int:
    """The id of something that is made when it is not there yet."""
    if (found := _first(session.search(search))) is not None:
        return found
    try:
        return session.create(entity, **values)
    except ConflictError:
        return int(session.search(search)[0])


def _existing(session: CatalogSession, entity: str, ids: Sequence[int]) -> list[int]:
    """Those of the ids that are still there."""
    found: list[int] = []
    for start in range(0, len(ids), _AT_ONCE):
        text = "SELECT x.id FROM " + entity + " x WHERE x.id IN {}"  # ours
        found += [int(id) for id in session.search(query(text, ids[start : start + _AT_ONCE]))]
    return sorted(found)


def _members(ids: Iterable[int], what: str = "dataset") -> list[dict[str, Any]]:
    return [{what: {"id": id}} for id in ids]


def _shortened(arguments: Sequence[str]) -> str:
    text = " ".join(arguments)
    return text if len(text) <= _ARGUMENTS_LENGTH else text[: _ARGUMENTS_LENGTH - 1] + "…"


def _first(rows: Sequence[Any]) -> int | None:
    return int(rows[0]) if rows else None
