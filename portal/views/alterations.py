"""Asking for other limits of a waiting job, and the administrators' page that answers."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ijp.errors import BadRequestError, ConflictError, NotImplementedHereError, PortalError
from portal import alterations
from portal.services import services
from portal.sessions import login_required, require_admin, require_user
from portal.views.admin import blueprint as admin_blueprint
from portal.views.sweeps import blueprint

__all__ = ["admin_blueprint", "blueprint"]
_REFUSALS = (BadRequestError, ConflictError, NotImplementedHereError)


@blueprint.get("/<reference>/alter")
@login_required
def show_alter(reference: str) -> ResponseReturnValue:
    """What a job asks for, and the form that asks for something else."""
    return _page(reference, {})


@blueprint.post("/<reference>/alter")
@login_required
def alter(reference: str) -> ResponseReturnValue:
    """Ask for it."""
    typed = {name: request.form.get(name, "").strip() for name in ("memory", "minutes", "queue")}
    note = request.form.get("note", "")
    names = {"memoryMiB": "memory", "wallMinutes": "minutes", "queue": "queue"}
    changes = {name: _number(typed[key], name) for name, key in names.items() if typed[key]}
    try:
        made = alterations.ask(services(), require_user(), reference, changes, note)
    except _REFUSALS as refusal:
        return _page(reference, {**typed, "note": note}, refusal), 400
    told = "It is being done." if made.state == alterations.GRANTED else "An administrator decides."
    flash(f"Asked for {alterations.words(made.changes)}. {told}", "success")
    return redirect(f"/jobs/{made.job_id}/alter", 303)


def _number(text: str, name: str) -> Any:
    return int(text) if name != "queue" and text.isascii() and text.isdigit() else text


def _page(reference: str, typed: dict[str, str], refusal: PortalError | None = None) -> str:
    job = services().jobs.get(require_user(), reference)
    made = alterations.of_job(services(), job.id)
    return render_template("jobs/alter.html", job=job, typed=typed, made=made, refusal=refusal)


@admin_blueprint.get("/alterations")
def show_requests() -> ResponseReturnValue:
    """What users ask for, the undecided first."""
    user = require_admin()
    found = alterations.listed(services(), user)
    return render_template(
        "admin/alterations.html",
        pending=[one for one in found if one.state == alterations.PENDING],
        decided=[one for one in found if one.state != alterations.PENDING],
    )


@admin_blueprint.post("/alterations/<int:alteration_id>/<any(grant, refuse):answer>")
def decide(alteration_id: int, answer: str) -> ResponseReturnValue:
    """Grant a request or refuse it."""
    user, reason = require_admin(), request.form.get("reason", "")
    try:
        made = alterations.decide(
            services(), user, alteration_id, grant=answer == "grant", reason=reason
        )
    except (BadRequestError, ConflictError) as refusal:
        flash(f"{refusal.message[:1].upper()}{refusal.message[1:]}.", "error")
    else:
        flash(f"The request for job {made.job_id} is {made.state}.", "success")
    return redirect("/admin/alterations", 303)
