"""Jobs: submit, list, follow, cancel, delete, repeat."""

from __future__ import annotations

from typing import Any

from flask import Response

from ijp.errors import BadRequestError
from portal import output
from portal.api.blueprint import ApiBlueprint
from portal.api.schemas import JobOut, JobsIn, JobsOut, OutputIn, RepeatIn, SubmitIn, SubmittedOut
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
    return {"jobs": [_job(one) for one in services().jobs.submit(require_user(), request)]}


@blueprint.route("/jobs")
@blueprint.arguments(JobsIn, location="query")
@blueprint.response(200, JobsOut)
def jobs(asked: dict[str, Any]) -> Any:
    """List jobs, newest first."""
    user_name = asked.get("user")
    which = JobFilter(
        states=_states(asked.get("state", "")),
        job_type=asked.get("type"),
        text=asked.get("text"),
        user_name=None if user_name == "*" else user_name,
        everybody=user_name == "*",
    )
    page = services().jobs.page(
        require_user(), which, limit=asked["limit"], after=asked.get("after")
    )
    return {"jobs": [_job(one) for one in page.jobs], "next": page.next_after}


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
    return _job(services().jobs.cancel(require_user(), reference))


@blueprint.route("/jobs/<reference>/hold", methods=["POST"])
@blueprint.response(200, JobOut)
def hold(reference: str) -> Any:
    """Keep a waiting job from starting."""
    return _job(services().jobs.hold(require_user(), reference))


@blueprint.route("/jobs/<reference>/release", methods=["POST"])
@blueprint.response(200, JobOut)
def release(reference: str) -> Any:
    """Let a held job go on."""
    return _job(services().jobs.release(require_user(), reference))


@blueprint.route("/jobs/<reference>/repeat", methods=["POST"])
@blueprint.arguments(RepeatIn, required=False)
@blueprint.response(201, SubmittedOut)
def repeat(given: dict[str, Any], reference: str) -> Any:
    """Submit a job again with the same inputs and options."""
    user = require_user()
    made = services().jobs.repeat(user, reference, key=given.get("key"))
    return {"jobs": [_job(one) for one in made]}


@blueprint.route("/jobs/<reference>/output")
@blueprint.arguments(OutputIn, location="query")
@blueprint.response(200, content_type="text/plain")
def show_output(asked: dict[str, Any], reference: str) -> Response:
    """Send what a job wrote so far."""
    found = services()
    record = found.jobs.get(require_user(), reference)
    if "tail" in asked:
        return output.send_tail(found.settings, record, asked["stream"], asked["tail"])
    return output.send(found.settings, record, asked["stream"])


def _states(text: str) -> tuple[State, ...]:
    try:
        return tuple(State(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        known = ", ".join(State)
        raise BadRequestError(f"{error} (there are: {known})") from error


def _job(job: JobRecord) -> dict[str, Any]:
    found = {name: getattr(job, name) for name in JobOut().fields if hasattr(job, name)}
    application = {"name": job.job_type, "version": job.application_version}
    return found | {"user": job.user_name, "application": application}


def _detailed(details: JobDetails) -> dict[str, Any]:
    return _job(details.record) | {
        "inputs": {
            "datasets": details.dataset_ids,
            "datafiles": details.datafile_ids,
            "datafiles_read": details.datafiles_read,
        },
        "outputs": {"datasets": details.outputs, "augmented": details.augmented},
        "events": details.events,
    }
