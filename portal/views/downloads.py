"""Taking data away: prepared in the background, with a page that says how far it is."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from portal import uploads
from portal.preparing import Phase
from portal.selection import Selection
from portal.services import services
from portal.sessions import User, login_required, require_user

blueprint = Blueprint("downloads", __name__)

_PATIENCE_SECONDS = 1.5
"""What is ready by then is sent at once, without a page between."""


@blueprint.post("/download")
@login_required
def download() -> ResponseReturnValue:
    """Prepare a selection; leads to the data, or to the page with its address if asked for that."""
    user = require_user()
    selection = Selection.parse(request.form.get("sel", ""), request.form.get("files", ""))
    name = _proposed_name(user, selection)
    return _leads_to(user, selection, name, wants_address=bool(request.form.get("address")))


@blueprint.get("/datasets/<int:dataset_id>/download")
@login_required
def dataset(dataset_id: int) -> ResponseReturnValue:
    """All files of a dataset as one zip, or the page that says when they will be there."""
    user, selection = require_user(), Selection((dataset_id,))
    return _leads_to(user, selection, _proposed_name(user, selection))


@blueprint.get("/downloads/<uuid:id>")
@login_required
def show(id: object) -> ResponseReturnValue:
    """How far a download is, and its address."""
    seen = services().preparing.look(require_user(), str(id))
    return render_template("files/download.html", download=seen)


@blueprint.get("/downloads/<uuid:id>/state")
@login_required
def state(id: object) -> ResponseReturnValue:
    """The part of that page that changes, for the script that looks again."""
    seen = services().preparing.look(require_user(), str(id))
    answer: Response = make_response(render_template("files/_download.html", download=seen))
    if seen.is_final:
        answer.headers["X-Final"] = "1"
    return answer


@blueprint.post("/downloads/<uuid:id>/again")
@login_required
def again(id: object) -> ResponseReturnValue:
    """Begin anew what has failed."""
    services().preparing.again(require_user(), str(id))
    return redirect(f"/downloads/{id}", 303)


def _leads_to(
    user: User, selection: Selection, name: str, *, wants_address: bool = False
) -> ResponseReturnValue:
    preparing = services().preparing
    id = preparing.begin(user, selection, name)
    seen = preparing.look(user, id, patience_seconds=_PATIENCE_SECONDS)
    same_host = urlsplit(seen.url).netloc == request.host
    if seen.phase is Phase.READY and same_host and not wants_address:
        return redirect(seen.url, 303)
    return redirect(f"/downloads/{id}", 303)


def _proposed_name(user: User, selection: Selection) -> str:
    if len(selection.dataset_ids) == 1 and not selection.datafile_ids:
        return f"{uploads.target(user.catalog, selection.dataset_ids[0])['name']}.zip"
    return "" if len(selection) == 1 else "datasets.zip"
