"""Reports of jobs about themselves."""

from __future__ import annotations

from typing import Any

from flask import request
from marshmallow import fields, post_load, validate

from batch.job.report import HEADER
from portal import reports
from portal.api.blueprint import ApiBlueprint
from portal.reports import KINDS, Report
from portal.services import services
from servicekit.wire import WireSchema

blueprint = ApiBlueprint("reports", __name__, "For jobs: telling that they began, or have ended.")


class ReportIn(WireSchema):
    """What a job tells of itself."""

    event = fields.String(required=True, validate=validate.OneOf(KINDS))
    at = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, 10**14),
        metadata={"description": "when it was made, in milliseconds since 1970"},
    )

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Report:
        return Report(kind=data["event"], at=data["at"])


class ReportOut(WireSchema):
    """What becomes of a report."""

    is_new = fields.Boolean(
        required=True, metadata={"description": "whether the engine is looked at because of it"}
    )


@blueprint.route("/jobs/<string:public_id>/events", methods=["POST"])
@blueprint.arguments(ReportIn)
@blueprint.response(202, ReportOut)
def report(given: Report, public_id: str) -> Any:
    """Have the batch system looked at at once, as a job began or has ended.

    The header ``IJP-Signature`` has the HMAC-SHA256, in hexadecimal digits, of
    "PUBLICID EVENT AT" under the SHA-256 of the job's token, in hexadecimal digits too. A report
    by itself changes nothing.
    """
    return {"is_new": reports.heed(services(), public_id, given, request.headers.get(HEADER, ""))}
