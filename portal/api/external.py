"""Jobs that were submitted outside of the portal."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from marshmallow import fields

from ijp.errors import NotAuthorizedError
from portal import external
from portal.api.blueprint import ApiBlueprint
from portal.services import services
from portal.sessions import require_user
from servicekit.wire import WireSchema

blueprint = ApiBlueprint("external", __name__, "Jobs that the portal only sees.")


class ExternalIn(WireSchema):
    """Whose jobs."""

    everybody = fields.Boolean(load_default=False, metadata={"description": "administrators only"})


class ExternalOut(WireSchema):
    """A job that was submitted outside of the portal."""

    engine = fields.String()
    native_id = fields.String()
    name = fields.String(metadata={"description": "as its owner wrote it"})
    account = fields.String(metadata={"description": "at the batch system"})
    user = fields.String(attribute="user_name", allow_none=True)
    queue = fields.String()
    state = fields.String()
    submitted_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    started_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    node = fields.String()


@blueprint.route("/external-jobs")
@blueprint.arguments(ExternalIn, location="query")
@blueprint.response(200, ExternalOut(many=True))
def external_jobs(asked: dict[str, Any]) -> Any:
    """List your jobs that were submitted outside of the portal, as they were seen last."""
    user, found = require_user(), services()
    if asked["everybody"] and not user.is_admin:
        raise NotAuthorizedError("other users' jobs are for administrators")
    settings = found.settings.external_jobs
    return external.of_user(found.database, settings, user.name, everybody=asked["everybody"])
