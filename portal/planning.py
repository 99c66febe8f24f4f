"""From what a user asks for to jobs that can be stored: everything is checked here, on the server.

Nothing is taken from the caller but a job type's name, ids, and values of its options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ijp.catalog import Entity
from ijp.errors import (
    ConflictError,
    NotFoundError,
    NotImplementedHereError,
    ValidationFailedError,
)
from ijp.query import query
from jobdefs import command, form
from jobdefs.command import Inputs, Question
from jobdefs.form import Choices, OfferedOption
from jobdefs.job_type import JobType, Kind
from jobdefs.store import Definitions
from portal import quantities as asking
from portal import selection as selecting
from portal.routing import Route
from portal.selection import Selected, Selection
from portal.sessions import User
from portal.settings import PortalSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What a user wants to run; nothing in it is trusted.

    Attributes:
        version: The job type's version that the user's form was made from; None: any.
        options: Values by option key, of their own type or as text.
        arguments: The user's own arguments, only for job types with raw arguments.
        one_job: All inputs in one job (True) or a job for each (False); None: not answered.
        investigation_id: Where results go; None: the investigation of the inputs.
        key: The same key by the same user is the same submission; None: a new one.
        name: What to call the jobs in lists; None: like the job type.
        engine: The batch engine that they must go to; None: whichever is best.
    """

    job_type: str
    version: str | None = None
    dataset_ids: tuple[int, ...] = ()
    datafile_ids: tuple[int, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    one_job: bool | None = None
    investigation_id: int | None = None
    key: str | None = None
    name: str | None = None
    engine: str | None = None


@dataclass(frozen=True)
class Preview:
    """What a request would do, faults and all; nothing is stored.

    Attributes:
        faults: Messages by option key, or by ``inputs``, ``investigationId``, ``arguments``.
        command: Of the first job, with what the portal appends; empty if there are faults.
        jobs: How many jobs it would be; 0 if that is not clear.
        question: What the user must answer first: one job or many.
        quantities: Of each selected dataset by id, the named quantities.
        investigation_id: Where results would go; None if the user must choose.
        route: To which batch engine the jobs would go; None if nobody asked.
    """

    job_type: JobType
    offered: tuple[OfferedOption, ...]
    faults: Mapping[str, list[str]]
    command: tuple[str, ...]
    jobs: int
    question: Question | None
    quantities: Mapping[int, Mapping[str, Any]]
    investigation_id: int | None
    selected: Selected
    route: Route | None = None


@dataclass(frozen=True)
class Plan:
    """A request with all that was found out about it.

    Attributes:
        inputs: Of each job; none while a question is open or something is wrong.
        faults: Messages by option key, or by ``inputs``, ``investigationId``, ``arguments``.
    """

    request: Request
    job_type: JobType
    selected: Selected
    quantities: Mapping[int, Mapping[str, Any]]
    offered: tuple[OfferedOption, ...]
    choices: Choices
    inputs: tuple[Inputs, ...]
    question: Question | None
    faults: Mapping[str, list[str]]

    def investigation_of(self, inputs: Inputs) -> int | None:
        """Where a job's results go: as chosen, or where all its inputs are from."""
        if self.request.investigation_id is not None:
            return self.request.investigation_id
        found = self.investigations_of(inputs)
        return found.pop() if len(found) == 1 else None

    def investigations_of(self, inputs: Inputs) -> set[int]:
        """The investigations that a job's inputs are from."""
        datasets, datafiles = self._origins
        found = {datasets[id] for id in inputs.dataset_ids}
        found |= {datafiles[id] for id in inputs.datafile_ids}
        return found - {0}

    @cached_property
    def _origins(self) -> tuple[dict[int, int], dict[int, int]]:
        """By dataset id and by datafile id, the investigation; 0 where the user sees none."""
        datasets = {int(one["id"]): _origin(one) for one in self.selected.datasets}
        files = {int(one["id"]): _origin(one["dataset"]) for one in self.selected.datafiles}
        return datasets, files

    def arguments(self, inputs: Inputs) -> list[str]:
        """The arguments of one of the jobs, without what the portal appends."""
        return command.arguments(
            self.job_type, self.choices, inputs.dataset_ids, inputs.datafile_ids
        )

    def require_ready(self) -> None:
        """Nothing, if the request can be stored.

        Raises:
            ValidationFailedError: With all faults, an open question among them.
        """
        faults = dict(self.faults)
        if self.question is not None:
            faults.setdefault("oneJob", []).append(self.question.text)
        if faults:
            texts = (f"{name}: {text}" for name, some in faults.items() for text in some)
            raise ValidationFailedError("; ".join(texts), fields=faults)

    def preview(self, settings: PortalSettings) -> Preview:
        """What a form shows."""
        ready = bool(self.inputs) and not self.faults
        return Preview(
            job_type=self.job_type,
            offered=self.offered,
            faults=self.faults,
            command=self._command(settings) if ready else (),
            jobs=len(self.inputs),
            question=self.question,
            quantities=self.quantities,
            investigation_id=self.investigation_of(self.inputs[0]) if self.inputs else None,
            selected=self.selected,
        )

    def _command(self, settings: PortalSettings) -> tuple[str, ...]:
        given = self.arguments(self.inputs[0])
        given += appended(settings, wants(self.job_type), "…")
        return tuple(command.argv(self.job_type, given))


def plan(definitions: Definitions, user: User, request: Request) -> Plan:
    """Check a request against the job type, and its data against what the user may read.

    Raises:
        NotFoundError: No such job type; or a dataset or datafile that this user cannot read.
        NotAuthorizedError: The job type is not for this user.
        ConflictError: The job type has changed since the form was made.
    """
    job_type = job_type_of(definitions, user, request)
    selection = Selection(_each_once(request.dataset_ids), _each_once(request.datafile_ids))
    selected = selecting.look_up(user.catalog, selection).require_all()
    fit = form.runs(job_type, selected.dataset_types, selected.datafile_dataset_types)
    faults: dict[str, list[str]] = {} if fit.fits else {"inputs": [fit.reason]}
    quantities = quantities_of(definitions, user, job_type, selected)
    named = [quantities[id] for id in selection.dataset_ids] if quantities else []
    choices = _collect(faults, Choices(), lambda: _choices(job_type, request, named))
    planned: list[Inputs] | Question | None = None
    if fit.fits:
        planned = _collect(
            faults,
            None,
            lambda: command.plan(
                job_type, selection.dataset_ids, selection.datafile_ids, request.one_job
            ),
        )
    question = planned if isinstance(planned, Question) else None
    made = Plan(
        request=request,
        job_type=job_type,
        selected=selected,
        quantities=quantities,
        offered=tuple(form.offered(job_type, named, selected.labels)),
        choices=choices,
        inputs=tuple(planned) if isinstance(planned, list) else (),
        question=question,
        faults=faults,
    )
    _check_investigation(made, user, faults)
    return made


def _origin(dataset: Entity) -> int:
    return int((dataset.get("investigation") or {}).get("id", 0))


def job_type_of(definitions: Definitions, user: User, request: Request) -> JobType:
    """The job type that a request names.

    Raises:
        NotFoundError: There is none.
        NotAuthorizedError: It is not for this user.
        NotImplementedHereError: It is an interactive one.
        ConflictError: It has changed since the form was made.
    """
    job_type = definitions.job_types.get(request.job_type)
    if job_type is None:
        raise NotFoundError(f"there is no job type {request.job_type!r}")
    definitions.families.require(job_type, user.name)
    if job_type.kind is not Kind.BATCH:
        raise NotImplementedHereError(
            f"{job_type.name!r} is an interactive job; this installation runs batch jobs only"
        )
    if request.version not in (None, "", job_type.version):
        raise ConflictError(
            f"the job type {job_type.name!r} has changed since you opened its form; "
            "look at it again before you submit"
        )
    return job_type


def quantities_of(
    definitions: Definitions, user: User, job_type: JobType, selected: Selected
) -> Mapping[int, Mapping[str, Any]]:
    """What the conditions are about; not asked for where there are no conditions."""
    if any(option.condition is not None for option in job_type.options):
        return asking.of_datasets(user.catalog, definitions, selected.datasets)
    return {int(one["id"]): {} for one in selected.datasets}


def _collect(faults: dict[str, list[str]], otherwise: T, compute: Callable[[], T]) -> T:
    """What was computed; if it is refused, the faults are added and it is the other value."""
    try:
        return compute()
    except ValidationFailedError as error:
        for name, texts in (error.fields or {"request": [error.message]}).items():
            faults.setdefault(name, []).extend(texts)
        return otherwise


def _check_investigation(made: Plan, user: User, faults: dict[str, list[str]]) -> None:
    chosen = made.request.investigation_id
    if chosen is not None:
        found = user.catalog.search(
            query("SELECT i.id FROM Investigation i WHERE i.id = {}", chosen)
        )
        if not found:
            faults["investigationId"] = [f"there is no investigation {chosen} that you may see"]
    elif made.job_type.creates_provenance and any(
        len(made.investigations_of(inputs)) > 1 for inputs in made.inputs
    ):
        faults["investigationId"] = [
            "the inputs of one job are from several investigations; choose one for its results"
        ]


def _choices(job_type: JobType, request: Request, named: list[Mapping[str, Any]]) -> Choices:
    return form.check(job_type, request.options, named, arguments=request.arguments)


def _each_once(ids: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))


def wants(job_type: JobType) -> list[str]:
    """The names of what the portal is to append to the arguments."""
    asked = {
        "icatUrl": job_type.icat_url_required,
        "idsUrl": job_type.ids_url_required,
        "ijpJobId": job_type.creates_provenance,
        "ijpUrl": job_type.creates_provenance,
    }
    return [name for name, is_asked in asked.items() if is_asked]


def appended(settings: PortalSettings, names: Iterable[str], job_id: int | str) -> list[str]:
    """The arguments that the portal appends: where the services are, and the job's number.

    A session is never among them, whatever the job type says: the command line is for all to
    read. A job that needs one finds its own token in the file that its environment names.
    """
    values = {
        "icatUrl": settings.for_others(settings.catalog_url),
        "idsUrl": settings.for_others(settings.datastore_url),
        "ijpJobId": str(job_id),
        "ijpUrl": settings.public_url,
    }
    return [f"--{name}={values[name]}" for name in names]
