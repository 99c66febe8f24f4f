"""Taking data away: prepared in the background, and asked about until they are there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for

from portal.api.blueprint import ApiBlueprint
from portal.api.data_schemas import DownloadIn, DownloadOut
from portal.preparing import Seen
from portal.selection import Selection
from portal.services import services
from portal.sessions import require_user

blueprint = ApiBlueprint("downloads", __name__, "Taking data away.")


@blueprint.route("/downloads", methods=["POST"])
@blueprint.arguments(DownloadIn)
@blueprint.response(202, DownloadOut)
def download(given: dict[str, Any]) -> Any:
    """Begin to make data downloadable from an address that needs no session.

    The header Location says where to ask how far it is.
    """
    user, preparing = require_user(), services().preparing
    selection = Selection(tuple(given["dataset_ids"]), tuple(given["datafile_ids"]))
    preparing.require(user, selection)
    id = preparing.begin(user, selection, given["name"])
    place = url_for(".show_download", download_id=id)
    return _download(preparing.look(user, id)), {"Location": place}


@blueprint.route("/downloads/<uuid:download_id>")
@blueprint.response(200, DownloadOut)
def show_download(download_id: UUID) -> Any:
    """Say how far a download is; one that was broken off goes on."""
    return _download(services().preparing.look(require_user(), str(download_id)))


def _download(seen: Seen) -> dict[str, Any]:
    same = "id looked total files bytes online prepared_id reason"
    wire = {name: getattr(seen, name) for name in same.split()}
    return {**wire, "state": seen.phase, "url": seen.url or None}
