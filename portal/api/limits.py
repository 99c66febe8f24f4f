"""What users may have, and what they use of it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from marshmallow import fields

from portal import limits_shown
from portal.api.blueprint import ApiBlueprint
from portal.services import services
from portal.sessions import require_admin, require_user
from servicekit.wire import WireSchema

blueprint = ApiBlueprint("limits", __name__, "What one may have, and uses.")


class LimitOut(WireSchema):
    """One limit."""

    kind = fields.String(metadata={"description": "running, waiting, unfinished or coreHours"})
    scope = fields.String(
        metadata={
            "description": "whose jobs count: user, userJobType, jobType, group, everybody,"
            " investigation"
        }
    )
    subject = fields.String(metadata={"description": "name of the group, type or investigation"})
    name = fields.String(metadata={"description": "all of this in words"})
    used = fields.Float()
    reserved = fields.Float(
        metadata={"description": "core-hours that unfinished jobs may still use"}
    )
    allowed = fields.Float()
    left = fields.Float()
    frees_at = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        allow_none=True,
        metadata={"description": "when there is more at the latest; null if nobody knows"},
    )


class LimitsOut(WireSchema):
    """A user's limits."""

    limits = fields.List(fields.Nested(LimitOut), attribute="allowances")
    priority = fields.Integer(metadata={"description": "jobs of higher ones start first"})


class UserUseOut(WireSchema):
    """What one user has."""

    user = fields.String()
    running = fields.Integer()
    waiting = fields.Integer()
    unfinished = fields.Integer()
    running_allowed = fields.Integer(allow_none=True)
    waiting_allowed = fields.Integer(allow_none=True)
    priority = fields.Integer()
    groups = fields.List(fields.String())


class EverybodyOut(WireSchema):
    """Who uses what."""

    users = fields.List(fields.Nested(UserUseOut))
    shared = fields.List(fields.Nested(LimitOut))


@blueprint.route("/limits")
@blueprint.response(200, LimitsOut)
def limits() -> Any:
    """Show what you may have and what you use of it."""
    return limits_shown.own(services(), require_user())


@blueprint.route("/limits/users")
@blueprint.response(200, EverybodyOut)
def everybody() -> Any:
    """Show who uses what; for administrators."""
    require_admin()
    return limits_shown.everybody(services())
