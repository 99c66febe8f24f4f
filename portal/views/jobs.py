"""The user's jobs: the list, and each job's own page."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from batch.engine import BatchEngine, Capability
from ijp import datastore
from ijp.errors import BadRequestError, NotFoundError, NotImplementedHereError
from portal import bulk, data_places, external, output, sweeps
from portal.bulk import References
from portal.failure import Failure, of_text
from portal.formats import count
from portal.job_actions import Action, possible
from portal.job_counts import JobCounts
from portal.job_list import Named, inputs_of, life_of, named
from portal.job_record import JobDetails, JobFilter, JobRecord
from portal.moments import now
from portal.selection import Selection, format_ids
from portal.services import services
from portal.sessions import User, login_required, require_user
from portal.states import WAITING, State

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")

PAGE = 50
STATES: dict[str, tuple[str, tuple[State, ...]]] = {
    "": ("All", ()),
    "waiting": ("Waiting", (State.STAGING, State.QUEUED, State.HELD)),
    "running": ("Running", (State.EXECUTING, State.UNKNOWN)),
    "done": ("Done", (State.COMPLETED,)),
    "failed": ("Failed", (State.FAILED,)),
    "cancelled": ("Cancelled", (State.CANCELLED,)),
}
DAYS = {"": "Any time", "1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days"}
TABS = ("output", "errors", "files", "provenance", "timeline")
_STREAMS = {"output": "out", "errors": "err"}
_FILTERS = ("state", "type", "text", "days", "failure", "everybody")


@blueprint.get("")
@login_required
def list_jobs() -> ResponseReturnValue:
    """A page of jobs, newest first; all that chooses them is in the address."""
    return render_template("jobs/list.html", **_list(require_user()))


@blueprint.get("/rows")
@login_required
def rows() -> ResponseReturnValue:
    """The rows alone, for the script that keeps them up to date."""
    return fragment("jobs/rows.html", **_list(require_user()))


@blueprint.get("/strip")
def strip() -> ResponseReturnValue:
    """How many jobs are under way, for the strip on every page."""
    counts = JobCounts.of(services(), require_user().name)
    return fragment("jobs/strip.html", my_jobs=counts)


def _list(user: User) -> dict[str, Any]:
    chosen = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
    after = number_asked("after")
    found = services()
    page = sweeps.entries(
        found.database, found.settings, user, _filter(user), limit=PAGE, after=after
    )
    own = {"after": str(after)} if after else {}
    everybody = user.is_admin and bool(chosen.get("everybody"))
    others = external.of_user(
        found.database, found.settings.external_jobs, user.name, everybody=everybody
    )
    types = sorted(services().definitions.current().job_types)
    return {
        "entries": page.entries,
        # below the newest, where nothing is looked for that only the portal's own jobs have
        "external": others if not after and not chosen.keys() - {"everybody"} else [],
        "several_engines": found.engines.are_several,
        "inputs": inputs_of(found.database, user.catalog, page.jobs),
        "actions": possible(*found.engines.values()),
        "life_of": life_of,
        "repeat_address": repeat_address,
        "chosen": chosen,
        "states": {key: (label, _address(chosen, state=key)) for key, (label, _) in STATES.items()},
        "types": [("", "All types"), *((name, name) for name in types)],
        "days": DAYS,
        "failures": [("", "Any reason"), *((str(one), one.words) for one in Failure)],
        "first": _address(chosen) if after else None,
        "next": _address(chosen, after=str(page.next_after)) if page.next_after else None,
        "here": _address({**chosen, **own}),
        "live": "/jobs/rows" + query_of({**chosen, **own}),
    }


def _filter(user: User) -> JobFilter:
    state = request.args.get("state", "")
    if state not in STATES:
        raise BadRequestError(f"there are no jobs called {state[:40]!r}")
    days = request.args.get("days", "")
    return JobFilter(
        states=STATES[state][1],
        job_type=request.args.get("type") or None,
        text=request.args.get("text", "").strip() or None,
        everybody=user.is_admin and bool(request.args.get("everybody")),
        failure=failure_asked(),
        submitted_since=now() - timedelta(days=int(days)) if days in DAYS and days else None,
    )


def failure_asked() -> Failure | None:
    """The kind of failure that the address names.

    Raises:
        BadRequestError: There is no such kind.
    """
    text = request.args.get("failure", "")
    found = of_text(text)
    if text and found is None:
        raise BadRequestError(f"no job fails for a reason called {text[:40]!r}")
    return found


def number_asked(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _address(chosen: dict[str, str], **changed: str) -> str:
    return "/jobs" + query_of({**chosen, **changed})


def query_of(values: dict[str, str]) -> str:
    """The end of an address with these values; those that are empty are left out."""
    text = urlencode({name: value for name, value in values.items() if value})
    return "?" + text if text else ""


def fragment(template: str, *, final: bool = False, **context: Any) -> Response:
    """A part of a page; 304 if the browser has just this already."""
    response = Response(render_template(template, **context))
    if final:
        response.headers["X-Final"] = "1"
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.make_conditional(request)
    return response


@blueprint.get("/<reference>")
@login_required
def show_job(reference: str) -> ResponseReturnValue:
    """A job's full record, and one of its tabs."""
    user = require_user()
    details = services().jobs.details(user, reference)
    tab = request.args.get("tab", "output")
    if tab not in TABS:
        raise BadRequestError(f"a job has no page {tab[:40]!r}")
    return render_template("jobs/job.html", tab=tab, **_job(user, details), **_tab(tab, details))


@blueprint.get("/<reference>/record")
@login_required
def record(reference: str) -> ResponseReturnValue:
    """The record alone, for the script that keeps it up to date."""
    user = require_user()
    details = services().jobs.details(user, reference)
    return fragment("jobs/record.html", final=details.record.is_final, **_job(user, details))


@blueprint.get("/<reference>/panel")
@login_required
def panel(reference: str) -> ResponseReturnValue:
    """What a tab other than the outputs shows, for the script that keeps it up to date."""
    user = require_user()
    details = services().jobs.details(user, reference)
    tab = request.args.get("tab", "files")
    if tab not in TABS or tab in _STREAMS:
        raise BadRequestError(f"a job has no part {tab[:40]!r}")
    final = details.record.is_final
    return fragment(f"jobs/{tab}.html", final=final, **_job(user, details))


def _job(user: User, details: JobDetails) -> dict[str, Any]:
    job = details.record
    shown = details.dataset_ids + details.outputs + details.augmented
    datasets = named(user.catalog, "dataset", shown)
    files = named(user.catalog, "datafile", details.datafile_ids + details.datafiles_read)
    definitions = services().definitions.current()
    return {
        "job": job,
        "details": details,
        "life": life_of(job),
        "actions": possible(*_engine_of(job)),
        "engine_words": _engine_words(job),
        "can_alter": _can_alter(job),
        "job_type": definitions.job_types.get(job.job_type),
        "inputs": [datasets[id] for id in details.dataset_ids] + _some(files, details.datafile_ids),
        "outputs": [datasets[id] for id in details.outputs],
        "augmented": [datasets[id] for id in details.augmented],
        "files_read": _some(files, details.datafiles_read),
        "repeat_address": repeat_address(job, details),
        "place": data_places.place_of(services().datastore, user, _inputs(details)),
    }


def _engine_of(job: JobRecord) -> list[BatchEngine]:
    """The job's engine, if it is still configured."""
    engines = services().engines
    return [engines[job.engine]] if job.engine in engines else []


def _engine_words(job: JobRecord) -> str:
    """Which engine it is with, and why; "" where there is only one."""
    if not services().engines.are_several and _engine_of(job):
        return ""
    return f"{job.engine} ({job.engine_reason})" if job.engine_reason else job.engine


def _can_alter(job: JobRecord) -> bool:
    """Whether other limits can be asked for: the engine has not got the job, or can change it."""
    is_altering = any(Capability.ALTER in one.capabilities for one in _engine_of(job))
    return job.state is State.STAGING or (is_altering and job.state in WAITING)


def _some(found: dict[int, Named], ids: tuple[int, ...]) -> list[Named]:
    return [found[id] for id in ids]


def _tab(tab: str, details: JobDetails) -> dict[str, Any]:
    if tab not in _STREAMS:
        return {}
    stream = _STREAMS[tab]
    part = output.part(services().settings, details.record, stream)
    return {"stream": stream, "part": part}


def repeat_address(job: JobRecord, details: JobDetails | None = None) -> str:
    """The form that would run a job again, filled as it was."""
    parameters = {"repeat": str(job.id)}
    if details:
        selection = Selection(details.dataset_ids, details.datafile_ids)
        parameters = {**selection.parameters(), **parameters}
    return f"/run/{quote(job.job_type, safe='')}?{urlencode(parameters, safe=',')}"


@blueprint.post("/<reference>/restore")
@login_required
def restore(reference: str) -> ResponseReturnValue:
    """Have a job's inputs come back from the archive, so that it can be repeated."""
    user = require_user()
    details = services().jobs.details(user, reference)
    data_places.restore(services().datastore, user, _inputs(details))
    flash("The data have been asked for; they come back from the archive.", "success")
    return back_to(f"/jobs/{details.record.id}")


def _inputs(details: JobDetails) -> datastore.Selection:
    return datastore.Selection((), details.dataset_ids, details.datafile_ids)


@blueprint.post("/<reference>/cancel")
@login_required
def cancel(reference: str) -> ResponseReturnValue:
    """Have a job end."""
    job = services().jobs.cancel(require_user(), reference)
    if job.is_final and job.state is not State.CANCELLED:
        flash(f"Job {job.id} had ended already.", "info")
    else:
        flash(f"Job {job.id} is being cancelled. Repeat runs it again.", "success")
    return back_to(f"/jobs/{job.id}")


@blueprint.post("/<reference>/hold")
@login_required
def hold(reference: str) -> ResponseReturnValue:
    """Keep a waiting job from starting."""
    job = services().jobs.hold(require_user(), reference)
    flash(f"Job {job.id} will not start before you release it.", "success")
    return back_to(f"/jobs/{job.id}")


@blueprint.post("/<reference>/release")
@login_required
def release(reference: str) -> ResponseReturnValue:
    """Let a held job go on."""
    job = services().jobs.release(require_user(), reference)
    flash(f"Job {job.id} may start now.", "success")
    return back_to(f"/jobs/{job.id}")


@blueprint.post("/<reference>/delete")
@login_required
def delete(reference: str) -> ResponseReturnValue:
    """Remove an ended job's record and output."""
    services().jobs.delete(require_user(), reference)
    flash(f"Job {reference} and its output are deleted; datasets that it made are kept.", "success")
    return redirect("/jobs", 303)


@blueprint.post("/<any(cancel, hold, release, delete, repeat, first, last):action>")
@login_required
def act(action: str) -> ResponseReturnValue:
    """Do something to the ticked jobs and sweeps; what does not go for one stops no other."""
    chosen = _ticked()
    if not chosen:
        flash("Tick the jobs that it should be done to first.", "info")
        return back_to("/jobs")
    do(Action(action), chosen)
    return back_to("/jobs")


@blueprint.post("/retry-these")
@login_required
def retry_these() -> ResponseReturnValue:
    """Lead to the page that shows what trying the ticked jobs again would do."""
    chosen = _ticked()
    if not chosen:
        flash("Tick the jobs that should be tried again first.", "info")
        return back_to("/jobs")
    numbers = [int(one) for one in chosen.jobs if one.isascii() and one.isdigit()]
    asked = {"jobs": format_ids(numbers), "sweeps": format_ids(chosen.sweeps)}
    return redirect("/jobs/retry" + query_of(asked), 303)


def _ticked() -> References:
    sweep_ids = [one for one in request.form.getlist("sweep") if one.isascii() and one.isdigit()]
    return References(tuple(request.form.getlist("job")), tuple(map(int, sweep_ids)))


_TOLD = {
    Action.CANCEL: ("is being cancelled", "are being cancelled"),
    Action.HOLD: ("will not start before you release it", "will not start before you release them"),
    Action.RELEASE: ("may start", "may start"),
    Action.DELETE: ("is deleted", "are deleted"),
    Action.RETRY: ("is tried again", "are tried again"),
    Action.REPEAT: ("is submitted again", "are submitted again"),
    Action.FIRST: ("goes before your others", "go before your others"),
    Action.LAST: ("goes behind your others", "go behind your others"),
}


def do(action: Action, chosen: References, *, more: bool = True) -> None:
    """Do something to many jobs, and tell the user what became of it."""
    try:
        found = bulk.perform(services(), require_user(), action, chosen, more=more)
    except (BadRequestError, NotFoundError, NotImplementedHereError) as error:
        flash(f"{error.message[:1].upper()}{error.message[1:]}.", "error")
        return
    if found.done:
        words = _TOLD[action][found.done != 1]
        flash(f"{count(found.done, 'job')} {words}.", "success")
    faults = [error.message for error in found.errors]
    if faults:
        others = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        flash(f"Not done: {'; '.join(faults[:3])}{others}.", "error")


def back_to(otherwise: str) -> ResponseReturnValue:
    """To where the action was asked for."""
    wanted = request.form.get("back", "")
    return redirect(wanted if wanted.startswith("/jobs") else otherwise, 303)
