"""``/ijp/rest/jm``: the interface that existing IJP clients know, in its JSON form."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    PortalError,
    TooLargeError,
)
from jobdefs.job_type import JobOption, JobType
from portal import classic_parameters, output
from portal.job_record import JobFilter, JobRecord
from portal.planning import Request
from portal.services import services
from portal.sessions import User
from portal.states import State
from servicekit.http_errors import status_of

blueprint = Blueprint("classic", __name__, url_prefix="/ijp/rest/jm")

_MOST_LISTED = 1000
_MOST_OUTPUT_BYTES = 1 << 20
_STATES = {State.STAGING: State.QUEUED, State.FAILED: State.COMPLETED}
_FOREIGN = "Job does not belong to you"
_CODES: tuple[tuple[type[PortalError], str, int | None], ...] = (
    (NotAuthenticatedError, "SessionException", 403),
    (NotAuthorizedError, "ForbiddenException", 403),
    (NotFoundError, "ParameterException", 400),
    (BadRequestError, "ParameterException", 400),
    (ConflictError, "ParameterException", 400),
    (TooLargeError, "ParameterException", 400),
    (PortalError, "InternalException", None),
)


@blueprint.errorhandler(PortalError)
def _answer(error: PortalError) -> Response:
    """The error in the words of this interface."""
    kind, status = next((code, status) for cls, code, status in _CODES if isinstance(error, cls))
    response = jsonify({"code": kind, "message": error.message})
    response.status_code = status or status_of(error)
    return response


def _user() -> User:
    session_id = request.values.get("sessionId")
    if not session_id:
        raise NotAuthenticatedError("sessionId is missing")
    return services().sessions.by_session_id(session_id)


def _job(user: User, job_id: int) -> JobRecord:
    """A job of the user; a foreign one and none are answered alike."""
    try:
        return services().jobs.get(user, job_id)
    except NotFoundError:
        raise NotAuthorizedError(_FOREIGN) from None


@blueprint.post("/submit")
def submit() -> Any:
    """Submit one job; its parameters are what is to stand on the command line."""
    user = _user()
    name = request.form.get("jobName", "")
    job_type = _job_type(name)
    parsed = classic_parameters.parse(job_type, request.form.getlist("parameter"))
    several = len(parsed.dataset_ids) + len(parsed.datafile_ids) > 1
    wanted = Request(
        job_type=job_type.name,
        dataset_ids=parsed.dataset_ids,
        datafile_ids=parsed.datafile_ids,
        options=parsed.options,
        arguments=parsed.arguments,
        one_job=True if several else None,
    )
    (job,) = services().jobs.submit(user, wanted)
    return {"jobId": job.id}


@blueprint.get("/status")
def status() -> Any:
    """The user's jobs, newest first."""
    page = services().jobs.page(_user(), JobFilter(), limit=_MOST_LISTED)
    return jsonify([_shown(job) | {"provenanceId": job.provenance_id or 0} for job in page.jobs])


@blueprint.get("/status/<int:job_id>")
def job_status(job_id: int) -> Any:
    """One job."""
    return _shown(_job(_user(), job_id))


def _shown(job: JobRecord) -> dict[str, Any]:
    return {
        "jobId": job.id,
        "name": job.job_type,
        "date": f"{job.submitted_at:%Y-%m-%d %H:%M:%S}",
        "status": _STATES.get(job.state, job.state),
    }


@blueprint.get("/output/<int:job_id>")
def standard_output(job_id: int) -> Any:
    """What a job wrote; the end of it where it is long."""
    return _output(job_id, "out")


@blueprint.get("/error/<int:job_id>")
def error_output(job_id: int) -> Any:
    """What a job wrote to standard error; the end of it where it is long."""
    return _output(job_id, "err")


def _output(job_id: int, stream: str) -> dict[str, str]:
    job = _job(_user(), job_id)
    found = output.part(services().settings, job, stream, limit=_MOST_OUTPUT_BYTES)
    return {"output": found.text}


@blueprint.post("/cancel/<int:job_id>")
def cancel(job_id: int) -> Any:
    """Have a job end."""
    user = _user()
    services().jobs.cancel(user, _job(user, job_id).id)
    return "", 204


@blueprint.delete("/delete/<int:job_id>")
def delete(job_id: int) -> Any:
    """Remove an ended job."""
    user = _user()
    services().jobs.delete(user, _job(user, job_id).id)
    return "", 204


@blueprint.get("/jobtype")
def job_types() -> Any:
    """Names of the job types: the user's, or without a session those that are for everybody."""
    definitions = services().definitions.current()
    name = _user().name if "sessionId" in request.values else ""
    return jsonify(
        [
            one.name
            for one in definitions.job_types.values()
            if definitions.families.admits(one, name)
        ]
    )


@blueprint.get("/jobtype/<name>")
def job_type(name: str) -> Any:
    """One job type."""
    return _described(_job_type(name))


def _job_type(name: str) -> JobType:
    definitions = services().definitions.current()
    user_name = _user().name if "sessionId" in request.values else ""
    found = definitions.job_types.get(name)
    if found is None or not definitions.families.admits(found, user_name):
        raise BadRequestError(f"there is no job type {name!r}")
    return found


def _described(found: JobType) -> dict[str, Any]:
    shown = {
        "name": found.name,
        "executable": found.executable,
        "multiple": found.multiple,
        "forceSingleJob": found.force_single_job,
        "type": str(found.kind),
        "family": found.family,
        "acceptsDatasets": found.accepts_datasets,
        "acceptsDatafiles": found.accepts_datafiles,
        "sessionIdRequired": found.session_id,
        "icatUrlRequired": found.icat_url_required,
        "idsUrlRequired": found.ids_url_required,
        "createsProvenance": found.creates_provenance,
        "datasetTypes": list(found.dataset_types),
        "jobOptions": [_option(one) for one in found.options],
    }
    return _without_none(shown)


def _option(option: JobOption) -> dict[str, Any]:
    condition = option.condition
    return _without_none(
        {
            "name": option.name,
            "groupName": option.group_name,
            "type": str(option.type),
            "programParameter": " ".join(option.program_parameter),
            "values": list(option.values),
            "defaultValue": option.default_value,
            "minValue": option.min_value,
            "maxValue": option.max_value,
            "condition": None if condition is None else condition.text,
            "tip": option.tip,
        }
    )


def _without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


@blueprint.post("/job/provenance/<int:job_id>")
def provenance(job_id: int) -> Any:
    """Confirm the provenance that the portal recorded; nobody can say another."""
    job = _job(_user(), job_id)
    told = request.form.get("provenanceId", "")
    if not told.isdecimal():
        raise BadRequestError(f"provenanceId is a number, not {told!r}")
    if int(told) != job.provenance_id:
        raise NotAuthorizedError(f"{told} is not the provenance of job {job_id}")
    return {"jobId": job.id, "provenanceId": job.provenance_id}
