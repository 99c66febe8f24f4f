"""The form that starts jobs: generated from the job type, following the selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ijp.errors import (
    ConflictError,
    NotFoundError,
    PortalError,
    TooLargeError,
    UnavailableError,
    ValidationFailedError,
)
from jobdefs.job_type import JobType
from portal import drafts, job_form
from portal.job_form import Filled
from portal.job_record import JobRecord
from portal.jobs import Preview
from portal.selection import Selection
from portal.services import services
from portal.sessions import User, login_required, require_user
from portal.settings import BEST

blueprint = Blueprint("run", __name__, url_prefix="/run")


@blueprint.get("/<path:name>")
@login_required
@drafts.restores_draft
def show(name: str) -> ResponseReturnValue:
    """The form: fresh, as a job was that is to be repeated, or as it was typed before log-in."""
    user = require_user()
    job_type = _job_type(name)
    selection = _selection()
    if (typed := drafts.typed()) is not None:
        filled = job_form.read(job_type, typed)
    elif (repeated := request.args.get("repeat", "")) != "":
        asked = services().jobs.request_of(user, repeated)
        filled = job_form.fresh(job_type, asked)
        if not len(selection):
            selection = Selection(tuple(asked.dataset_ids), tuple(asked.datafile_ids))
    else:
        filled = job_form.fresh(job_type)
    return _page(user, job_type, selection, filled, first=typed is None)


@blueprint.post("/<path:name>")
@login_required
def submit(name: str) -> ResponseReturnValue:
    """Submit, or with ``intent=look`` show the form for another selection, still filled in."""
    user = require_user()
    job_type = _job_type(name)
    selection = _selection()
    filled = job_form.read(job_type, request.form)
    if request.form.get("intent") == "look":
        return _page(user, job_type, selection, filled)
    if filled.argument_fault:
        return _page(user, job_type, selection, filled), 400
    try:
        jobs = services().jobs.submit(user, job_form.request_for(job_type, selection, filled))
    except ValidationFailedError as error:
        return _page(user, job_type, selection, filled, faults=error.fields), 400
    except (ConflictError, TooLargeError, UnavailableError) as refusal:
        again = replace(filled, version=None)
        return _page(user, job_type, selection, again, refusal=refusal), 409
    return _submitted(jobs)


def _job_type(name: str) -> JobType:
    found = services().definitions.job_types.get(name)
    if found is None:
        raise NotFoundError(f"there is no job type {name!r}")
    return found


def _selection() -> Selection:
    """Of the address; a form's button may take one dataset or datafile out of it."""
    found = Selection.parse(request.args.get("sel", ""), request.args.get("files", ""))
    kind, _, number = request.form.get("remove", "").partition(":")
    if number.isascii() and number.isdigit():
        gone = [int(number)]
        return found.without_datasets(gone) if kind == "dataset" else found.without_datafiles(gone)
    return found


def address(job_type: JobType, selection: Selection) -> str:
    """The form's address for a selection."""
    chosen = urlencode(selection.parameters(), safe=",")
    return f"/run/{quote(job_type.name, safe='')}" + (f"?{chosen}" if chosen else "")


def _page(
    user: User,
    job_type: JobType,
    selection: Selection,
    filled: Filled,
    *,
    faults: Mapping[str, list[str]] | None = None,
    refusal: PortalError | None = None,
    first: bool = False,
) -> str:
    preview, filled = preview_of(user, job_type, selection, filled)
    shown: dict[str, list[str]] = dict(faults or {})
    if not first and faults is None:
        shown.update(preview.faults)
    for name in ("inputs", "investigationId"):
        if name in preview.faults:
            shown[name] = list(preview.faults[name])
    if filled.argument_fault:
        shown["arguments"] = [filled.argument_fault]
    return render_template(
        "run/form.html",
        job_type=job_type,
        selection=selection,
        selected=preview.selected,
        preview=preview,
        filled=filled,
        controls=job_form.controls(preview.offered, filled, shown),
        hidden=job_form.hidden_notes(preview),
        faults=shown,
        other_faults=_elsewhere(preview, shown),
        refusal=refusal,
        command=job_form.command_line(preview.command),
        investigations=job_form.investigations(user.catalog, preview),
        engines=_engines(),
        address=address(job_type, selection),
        address_without=lambda kind, id: address(job_type, _without(selection, kind, id)),
        quantities=preview.quantities,
    )


def preview_of(
    user: User, job_type: JobType, selection: Selection, filled: Filled
) -> tuple[Preview, Filled]:
    """What the form would do, and the form without the options that are not offered any more."""
    jobs = services().jobs
    # A form may outlive a change of its job type; the preview is of the type as it is now.
    preview = jobs.preview(
        user, job_form.request_for(job_type, selection, replace(filled, version=None))
    )
    kept = job_form.offered_values(filled, preview.offered)
    known = {option.key for option in job_type.options}
    kept = {key: value for key, value in kept.items() if key in known}
    if kept.keys() != filled.values.keys():
        filled = replace(filled, values=kept)
        preview = jobs.preview(
            user, job_form.request_for(job_type, selection, replace(filled, version=None))
        )
    return preview, filled


def _engines() -> list[tuple[str, str]]:
    """What can be chosen from; nothing where there is only one engine."""
    engines = services().engines
    if not engines.are_several:
        return []
    return [(BEST, "whichever is best"), *((name, name) for name in engines)]


def _without(selection: Selection, kind: str, id: int) -> Selection:
    if kind == "dataset":
        return selection.without_datasets([id])
    return selection.without_datafiles([id])


def _elsewhere(preview: Preview, faults: Mapping[str, list[str]]) -> list[str]:
    """Faults that no control of the form shows."""
    shown = {"inputs", "arguments", "investigationId", "oneJob"}
    if services().engines.are_several:
        shown.add("engine")
    shown |= {one.option.key for one in preview.offered if one.offered}
    return [f"{name}: {text}" for name, all in faults.items() if name not in shown for text in all]


def _submitted(jobs: list[JobRecord]) -> ResponseReturnValue:
    ids = ", ".join(str(job.id) for job in jobs[:10]) + (" …" if len(jobs) > 10 else "")
    if len(jobs) == 1:
        flash(f"Job {ids} is submitted.", "success")
        return redirect(f"/jobs/{jobs[0].id}", 303)
    flash(f"{len(jobs)} jobs are submitted: {ids}.", "success")
    return redirect(f"/jobs/sweeps/{jobs[0].sweep_id}", 303)
