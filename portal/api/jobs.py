"""Jobs: submit, list, follow, cancel, delete, repeat, try again."""

from __future__ import annotations

from typing import Any

from flask import Response

from ijp.errors import BadRequestError
from portal import output, sweeps
from portal.api.blueprint import ApiBlueprint
from portal.api.schemas import JobOut, JobsIn, JobsOut, OutputIn, RepeatIn, SubmitIn, SubmittedOut
from portal.api.sweep_schemas import RetryIn
from portal.failure import of_text
from portal.job_record import JobDetails, JobFilter, JobRecord
from portal.planning import Request
from portal.services import services
from portal.sessions import require_user
from portal.states import State

blueprint = ApiBlueprint("jobs", __name__, "Running jobs and following them.")


@blueprint.route("/jobs", methods=["POST"])
@blueprint.arguments(SubmitIn)
@blueprint.response(201, SubmittedOut)
def submit(request: Request) -> Any:
    """Submit one job, or one for each input, as the job type and ``oneJob`` say.

    Everything is checked: that the job type takes these data, that you can read them, that each
    option is known, is offered for these data, and has a value that is allowed.
    """
    return _submitted(services().jobs.submit(require_user(), request))


@blueprint.route("/jobs")
@blueprint.arguments(JobsIn, location="query")
@blueprint.response(200, JobsOut)
def jobs(asked: dict[str, Any]) -> Any:
    """List jobs, newest first; those of one sweep in the order of its inputs."""
    found, user = services(), require_user()
    which, limit, after = filter_of(asked), asked["limit"], asked.get("after")
    if which.sweep_id is None:
        page = found.jobs.page(user, which, limit=limit, after=after)
    else:
        sweeps.get(found.database, user, which.sweep_id)
        page = sweeps.elements(found.database, found.settings, which, limit=limit, after=after)
    return {"jobs": [job_as_wire(one) for one in page.jobs], "next": page.next_after}


def filter_of(asked: dict[str, Any]) -> JobFilter:
    """Which jobs a request is about."""
    user_name = asked.get("user")
    return JobFilter(
        states=_states(asked.get("state", "")),
        job_type=asked.get("type"),
        text=asked.get("text"),
        user_name=None if user_name == "*" else user_name,
        everybody=user_name == "*",
        sweep_id=asked.get("sweep"),
        failure=of_text(asked.get("failure", "")),
    )


@blueprint.route("/jobs/<reference>")
@blueprint.response(200, JobOut)
def job(reference: str) -> Any:
    """Show one job, by its number or its public id, with inputs, outputs and history."""
    return _detailed(services().jobs.details(require_user(), reference))


@blueprint.route("/jobs/<reference>", methods=["DELETE"])
@blueprint.response(204)
def delete(reference: str) -> None:
    """Remove an ended job's record and output; datasets that it made stay."""
    services().jobs.delete(require_user(), reference)


@blueprint.route("/jobs/<reference>/cancel", methods=["POST"])
@blueprint.response(200, JobOut)
def cancel(reference: str) -> Any:
    """Have a job end, waiting or running."""
    return job_as_wire(services().jobs.cancel(require_user(), reference))


@blueprint.route("/jobs/<reference>/hold", methods=["POST"])
@blueprint.response(200, JobOut)
def hold(reference: str) -> Any:
    """Keep a waiting job from starting."""
    return job_as_wire(services().jobs.hold(require_user(), reference))


@blueprint.route("/jobs/<reference>/release", methods=["POST"])
@blueprint.response(200, JobOut)
def release(reference: str) -> Any:
    """Let a held job go on."""
    return job_as_wire(services().jobs.release(require_user(), reference))


@blueprint.route("/jobs/<reference>/repeat", methods=["POST"])
@blueprint.arguments(RepeatIn, required=False)
@blueprint.response(201, SubmittedOut)
def repeat(given: dict[str, Any], reference: str) -> Any:
    """Submit a job again with the same inputs and options."""
    user = require_user()
    return _submitted(services().jobs.repeat(user, reference, key=given.get("key")))


@blueprint.route("/jobs/<reference>/retry", methods=["POST"])
@blueprint.arguments(RetryIn, required=False)
@blueprint.response(200, JobOut)
def retry(given: dict[str, Any], reference: str) -> Any:
    """Try a failed or cancelled job again in place, with more of what it ran out of."""
    user = require_user()
    (done,) = services().jobs.retry(user, [reference], more=given.get("more", True))
    if done.error is not None:
        raise done.error
    return _detailed(services().jobs.details(user, reference))


@blueprint.route("/jobs/<reference>/output")
@blueprint.arguments(OutputIn, location="query")
@blueprint.response(200, content_type="text/plain")
def show_output(asked: dict[str, Any], reference: str) -> Response:
    """Send what a job wrote so far."""
    found = services()
    record = found.jobs.get(require_user(), reference, attempt=asked.get("attempt"))
    if "tail" in asked:
        return output.send_tail(found.settings, record, asked["stream"], asked["tail"])
    return output.send(found.settings, record, asked["stream"])


def _states(text: str) -> tuple[State, ...]:
    try:
        return tuple(State(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        known = ", ".join(State)
        raise BadRequestError(f"{error} (there are: {known})") from error


def _submitted(jobs: list[JobRecord]) -> dict[str, Any]:
    sweep_id = jobs[0].sweep_id if jobs else None
    return {"jobs": [job_as_wire(one) for one in jobs], "sweep_id": sweep_id}


def job_as_wire(job: JobRecord) -> dict[str, Any]:
    """A job without what only its own page has."""
    found = {name: getattr(job, name) for name in JobOut().fields if hasattr(job, name)}
    application = {"name": job.job_type, "version": job.application_version}
    return found | {"user": job.user_name, "application": application}


def _detailed(details: JobDetails) -> dict[str, Any]:
    return job_as_wire(details.record) | {
        "inputs": {
            "datasets": details.dataset_ids,
            "datafiles": details.datafile_ids,
            "datafiles_read": details.datafiles_read,
        },
        "outputs": {"datasets": details.outputs, "augmented": details.augmented},
        "events": details.events,
        "attempts": details.attempts,
    }
