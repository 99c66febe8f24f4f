"""Sweeps, each as one thing; and trying jobs again, with what would change shown first."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ijp.errors import BadRequestError, TooLargeError
from portal import bulk, sweeps
from portal.bulk import References
from portal.failure import Failure, of_text
from portal.job_actions import Action, possible
from portal.job_list import inputs_of, life_of
from portal.job_record import JobFilter
from portal.selection import parse_ids
from portal.services import services
from portal.sessions import User, login_required, require_user
from portal.sweeps import Entry, Sweep
from portal.views.jobs import (
    PAGE,
    STATES,
    blueprint,
    do,
    failure_asked,
    fragment,
    number_asked,
    query_of,
    repeat_address,
)

__all__ = ["blueprint"]
_FILTERS = ("state", "failure", "text")


@blueprint.get("/sweeps/<int:sweep_id>")
@login_required
def show_sweep(sweep_id: int) -> ResponseReturnValue:
    """A sweep with a page of its jobs; all that chooses them is in the address."""
    user = require_user()
    sweep = sweeps.get(services().database, user, sweep_id)
    return render_template("jobs/sweep.html", **_summary(sweep), **_elements(user, sweep))


@blueprint.get("/sweeps/<int:sweep_id>/summary")
@login_required
def sweep_summary(sweep_id: int) -> ResponseReturnValue:
    """How far a sweep is, for the script that keeps it up to date."""
    sweep = sweeps.get(services().database, require_user(), sweep_id)
    return fragment("jobs/sweep_summary.html", final=sweep.counts.is_final, **_summary(sweep))


@blueprint.get("/sweeps/<int:sweep_id>/rows")
@login_required
def sweep_rows(sweep_id: int) -> ResponseReturnValue:
    """The rows alone, for the script that keeps them up to date."""
    user = require_user()
    sweep = sweeps.get(services().database, user, sweep_id)
    return fragment(
        "jobs/rows.html", final=sweep.counts.is_final, chosen={}, **_elements(user, sweep)
    )


def _summary(sweep: Sweep) -> dict[str, Any]:
    return {
        "sweep": sweep,
        "actions": possible(*services().engines.values()),
        "failure_words": _words,
    }


def _words(kind: Failure) -> str:
    return kind.words


def _elements(user: User, sweep: Sweep) -> dict[str, Any]:
    state = request.args.get("state", "")
    if state not in STATES:
        raise BadRequestError(f"there are no jobs called {state[:40]!r}")
    found, after = services(), number_asked("after")
    which = JobFilter(
        sweep_id=sweep.id,
        states=STATES[state][1],
        failure=failure_asked(),
        text=request.args.get("text", "").strip() or None,
    )
    page = sweeps.elements(found.database, found.settings, which, limit=PAGE, after=after)
    here = f"/jobs/sweeps/{sweep.id}"
    filters = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
    own = {"after": str(after)} if after else {}
    counts = sweep.counts
    numbers = {key: counts.of(*states) for key, (_, states) in STATES.items() if key}
    return {
        "entries": [Entry(sweep.id, job) for job in page.jobs],
        "inputs": inputs_of(found.database, user.catalog, page.jobs),
        "life_of": life_of,
        "repeat_address": repeat_address,
        "filters": filters,
        "tabs_shown": [
            (key, label, here + query_of({"state": key}), numbers.get(key, counts.total))
            for key, (label, _) in STATES.items()
        ],
        "state": state,
        "first": here + query_of(filters) if after else None,
        "next": here + query_of({**filters, "after": str(page.next_after)})
        if page.next_after
        else None,
        "here": here + query_of({**filters, **own}),
        "live": f"{here}/rows" + query_of({**filters, **own}),
    }


@blueprint.post("/sweeps/<int:sweep_id>/<any(cancel, hold, release, delete, repeat):action>")
@login_required
def act_on_sweep(sweep_id: int, action: str) -> ResponseReturnValue:
    """Do something to all jobs of a sweep that it is for."""
    do(Action(action), References(sweeps=(sweep_id,)))
    gone = action == Action.DELETE or action == Action.REPEAT
    return redirect("/jobs" if gone else f"/jobs/sweeps/{sweep_id}", 303)


@blueprint.get("/retry")
@login_required
def show_retry() -> ResponseReturnValue:
    """What trying jobs again would do, and with what; nothing is done yet."""
    chosen = _chosen(request.args)
    plan = bulk.plan_retry(services(), require_user(), chosen, more=True)
    return render_template("jobs/retry.html", plan=plan, asked=_asked(), back=_back(chosen))


@blueprint.post("/retry")
@login_required
def retry() -> ResponseReturnValue:
    """Try the jobs again in place."""
    chosen = _chosen(request.form)
    try:
        do(Action.RETRY, chosen, more=request.form.get("more") == "true")
    except TooLargeError as error:
        flash(f"Nothing was tried again: {error.message}.", "error")
    return redirect(_back(chosen), 303)


def _chosen(given: Any) -> References:
    return References(
        tuple(map(str, parse_ids(given.get("jobs", "")))),
        parse_ids(given.get("sweeps", "")),
        of_text(given.get("failure", "")),
    )


def _asked() -> dict[str, str]:
    names = ("jobs", "sweeps", "failure")
    return {name: request.args[name] for name in names if request.args.get(name)}


def _back(chosen: References) -> str:
    if len(chosen.sweeps) == 1 and not chosen.jobs:
        return f"/jobs/sweeps/{chosen.sweeps[0]}"
    if len(chosen.jobs) == 1 and not chosen.sweeps:
        return f"/jobs/{chosen.jobs[0]}"
    return "/jobs"
