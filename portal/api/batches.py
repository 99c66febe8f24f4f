"""Batch files: one job a row."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from portal import batches, planning
from portal.api.blueprint import ApiBlueprint
from portal.api.sweep_schemas import (
    BatchIn,
    BatchOut,
    SubmitBatchIn,
    SubmittedBatchOut,
    TemplateIn,
)
from portal.batch_file import MOST_BYTES, Format, decoded
from portal.batches import BatchRequest
from portal.planning import Request
from portal.selection import Selection
from portal.services import services
from portal.sessions import require_user

blueprint = ApiBlueprint("batches", __name__, "Many jobs from a file.")
TYPES = {
    Format.CSV: "text/csv",
    Format.TSV: "text/tab-separated-values",
    Format.JSONL: "application/jsonl",
}
_BODY = {
    "required": True,
    "content": {one: {"schema": {"type": "string"}} for one in TYPES.values()},
}


@blueprint.route("/job-types/<path:name>/batch/preview", methods=["POST"])
@blueprint.arguments(BatchIn, location="query")
@blueprint.doc(requestBody=_BODY)
@blueprint.response(200, BatchOut)
def preview(given: dict[str, Any], name: str) -> Any:
    """Say what each row of a batch file would run, or what is wrong with it."""
    return batches.preview(services(), require_user(), _asked(name, given))


@blueprint.route("/job-types/<path:name>/batch", methods=["POST"])
@blueprint.arguments(SubmitBatchIn, location="query")
@blueprint.doc(requestBody=_BODY)
@blueprint.response(201, SubmittedBatchOut)
def submit(given: dict[str, Any], name: str) -> Any:
    """Submit a job for each row, as one sweep; nothing while a row is wrong."""
    jobs = batches.submit(services(), require_user(), _asked(name, given))
    return {"sweep_id": jobs[0].sweep_id if jobs else None, "job_ids": [one.id for one in jobs]}


@blueprint.route("/job-types/<path:name>/template")
@blueprint.arguments(TemplateIn, location="query")
@blueprint.response(200, content_type="text/csv")
def template(asked: dict[str, Any], name: str) -> Response:
    """Give a batch file to fill in: its columns, and a row with the defaults for each input."""
    selection = Selection(asked.get("dataset_ids", ()), asked.get("datafile_ids", ()))
    return template_of(name, selection, Format(asked["format"]))


def template_of(name: str, selection: Selection, kind: Format) -> Response:
    """A template as a file to keep."""
    definitions = services().definitions.current()
    job_type = planning.job_type_of(definitions, require_user(), Request(name))
    response = Response(batches.template(job_type, selection, kind), mimetype=TYPES[kind])
    plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in name)
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}.{kind}"'
    return response


def _asked(name: str, given: dict[str, Any]) -> BatchRequest:
    return BatchRequest(
        job_type=name,
        text=decoded(request.stream.read(MOST_BYTES + 1)),
        kind=Format(given["format"]) if "format" in given else None,
        version=given.get("version"),
        key=given.get("key"),
        name=given.get("name"),
        leave_out=given.get("leave_out_wrong", False),
        engine=given.get("engine"),
    )
