"""Uploads of pages in pieces: the tus protocol, passed on to the data service with the session.

A page cannot have the session itself; it has the portal's cookie, with which it asks here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from ijp import tus
from ijp.datastore import BLOCK_BYTES
from ijp.errors import BadRequestError
from portal import uploads
from portal.incoming import Incoming
from portal.services import services
from portal.sessions import login_required, require_user

blueprint = Blueprint("pieces", __name__, url_prefix="/upload/<int:dataset_id>/pieces")

_TOLD = ("Upload-Offset", "Upload-Length", "Upload-Expires", "X-Datafile-Id")
_PASSED_ON = ("Upload-Offset", "Upload-Checksum", "Content-Type")


@blueprint.post("")
@login_required
def begin(dataset_id: int) -> ResponseReturnValue:
    """Begin an upload; the format may be told, or follows from the name."""
    user = require_user()
    told = tus.metadata_of(request.headers.get("Upload-Metadata", ""))
    name = told.get("name", "")
    uploads.check_name(name)
    dataset = uploads.target(user.catalog, dataset_id)
    format_text = told.get("format", "")
    chosen = int(format_text) if format_text.isascii() and format_text.isdigit() else None
    format_id = uploads.chosen_format(user, dataset, name, chosen)
    wanted = {"name": name, "datasetId": str(dataset_id), "datafileFormatId": str(format_id)}
    if moment := told.get("modified"):
        wanted["datafileModTime"] = moment
    headers = {
        "Upload-Length": request.headers.get("Upload-Length", ""),
        "Upload-Metadata": tus.metadata_header(wanted),
    }
    answer = _passed_on("POST", "/tus", headers)
    id = urlsplit(answer.headers["Location"]).path.rpartition("/")[2]
    made = _told(answer)
    made.headers["Location"] = f"/upload/{dataset_id}/pieces/{id}"
    return made


@blueprint.route("/<uuid:id>", methods=["HEAD"])
@login_required
def tell(dataset_id: int, id: object) -> ResponseReturnValue:
    """How much has arrived."""
    return _told(_passed_on("HEAD", f"/tus/{id}", {}))


@blueprint.patch("/<uuid:id>")
@login_required
def send(dataset_id: int, id: object) -> ResponseReturnValue:
    """A piece, passed on while it arrives."""
    content = Incoming("the piece")
    headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    blocks = iter(lambda: content.read(BLOCK_BYTES), b"")
    return _told(_passed_on("PATCH", f"/tus/{id}", headers, body=blocks))


@blueprint.delete("/<uuid:id>")
@login_required
def give_up(dataset_id: int, id: object) -> ResponseReturnValue:
    """Remove what has arrived."""
    return _told(_passed_on("DELETE", f"/tus/{id}", {}))


def _passed_on(
    method: str, path: str, headers: dict[str, str], **options: Any
) -> requests.Response:
    datastore = services().datastore
    if not datastore.takes_pieces():
        raise BadRequestError("the data service takes no uploads in pieces")
    own = {"Tus-Resumable": tus.VERSION, **headers}
    session_id = require_user().session_id
    answer: requests.Response = datastore.call(method, path, session_id, headers=own, **options)
    return answer


def _told(answer: requests.Response) -> Response:
    made = Response(status=answer.status_code)
    for name in _TOLD:
        if name in answer.headers:
            made.headers[name] = answer.headers[name]
    made.headers["Cache-Control"] = "no-store"
    return made
