"""The capsule: what a running job uses, with its own token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from flask import Response, request, stream_with_context

from ijp.datastore import Download
from ijp.errors import BadRequestError
from portal.api.blueprint import ApiBlueprint
from portal.api.schemas import (
    CapsuleOut,
    CreatedOut,
    DatasetIn,
    FormatIn,
    ParametersIn,
    ProgressIn,
    StoredOut,
)
from portal.gateway import Gateway, NewDataset
from portal.incoming import Incoming
from portal.services import services
from portal.sessions import bearer

blueprint = ApiBlueprint("capsule", __name__, "For a running job, with the job's own token.")


def _gateway() -> Gateway:
    return Gateway(services(), bearer())


@blueprint.route("/capsule")
@blueprint.response(200, CapsuleOut)
def capsule() -> Any:
    """Tell the job what it was started on."""
    gateway = _gateway()
    job = gateway.job
    return {
        "job_id": job.id,
        "public_id": job.public_id,
        "job_type": job.job_type,
        "user": job.user_name,
        "arguments": job.arguments,
        "investigation_id": job.investigation_id,
        "facility": gateway.facility(),
        "inputs": gateway.inputs(),
    }


@blueprint.route("/capsule/datafiles/<int:datafile_id>")
@blueprint.response(200, content_type="application/octet-stream")
def datafile(datafile_id: int) -> Response:
    """Send the content of an input file; a Range of the form ``bytes=N-`` goes on at a byte."""
    start = _start()
    download = _gateway().open_datafile(datafile_id, start)
    response = Response(
        cast(Iterator[bytes], stream_with_context(_blocks(download))),
        206 if start else 200,
        mimetype="application/octet-stream",
    )
    response.call_on_close(download.close)
    for name in ("Content-Length", "Content-Range", "ETag"):
        if name in download.headers:
            response.headers[name] = download.headers[name]
    return response


def _blocks(download: Download) -> Iterator[bytes]:
    yield from download.blocks()


def _start() -> int:
    asked = request.range
    if asked is None:
        return 0
    if len(asked.ranges) != 1 or asked.ranges[0][0] < 0 or asked.ranges[0][1] is not None:
        raise BadRequestError("only ranges of the form bytes=N- are answered here")
    return int(asked.ranges[0][0])


@blueprint.route("/capsule/datasets", methods=["POST"])
@blueprint.arguments(DatasetIn)
@blueprint.response(201, CreatedOut)
def create_dataset(wanted: NewDataset) -> Any:
    """Make a dataset in the job's investigation; searches find it when it is complete."""
    return {"id": _gateway().create_dataset(wanted)}


@blueprint.route("/capsule/datasets/<int:dataset_id>/datafiles/<path:name>", methods=["PUT"])
@blueprint.arguments(FormatIn, location="query")
@blueprint.response(201, StoredOut)
def put_datafile(asked: dict[str, Any], dataset_id: int, name: str) -> Any:
    """Store the request's body as a file of a dataset that the job made."""
    return _gateway().put_datafile(dataset_id, name, Incoming(name), asked.get("format"))


@blueprint.route("/capsule/datasets/<int:dataset_id>/parameters", methods=["POST"])
@blueprint.arguments(ParametersIn)
@blueprint.response(204)
def set_parameters(given: dict[str, Any], dataset_id: int) -> None:
    """Give parameters to a dataset that the job made, or to one of its inputs."""
    _gateway().set_parameters(dataset_id, given["parameters"])


@blueprint.route("/capsule/datasets/<int:dataset_id>/complete", methods=["POST"])
@blueprint.response(204)
def complete(dataset_id: int) -> None:
    """Let searches find a dataset that the job made."""
    _gateway().complete(dataset_id)


@blueprint.route("/capsule/datasets/<int:dataset_id>", methods=["DELETE"])
@blueprint.response(204)
def remove(dataset_id: int) -> None:
    """Take away a dataset that the job made and has not completed."""
    _gateway().remove(dataset_id)


@blueprint.route("/capsule/progress", methods=["POST"])
@blueprint.arguments(ProgressIn)
@blueprint.response(204)
def progress(given: dict[str, Any]) -> None:
    """Tell how far the job is."""
    _gateway().tell_progress(given.get("fraction"), given["message"])
