"""Requests to alter jobs that wait, and what administrators say to them."""

from __future__ import annotations

from typing import Any

from portal import alterations
from portal.api.blueprint import ApiBlueprint
from portal.api.sweep_schemas import AlterationOut, AlterationsIn, AlterIn, DecisionIn
from portal.services import services
from portal.sessions import require_user

blueprint = ApiBlueprint("alterations", __name__, "Other limits for jobs that wait.")


@blueprint.route("/jobs/<reference>/alter", methods=["POST"])
@blueprint.arguments(AlterIn)
@blueprint.response(201, AlterationOut)
def ask(given: dict[str, Any], reference: str) -> Any:
    """Ask for other limits of a waiting job; an administrator grants or refuses them."""
    wire = {"memory_mib": "memoryMiB", "wall_minutes": "wallMinutes", "queue": "queue"}
    changes = {name: given[key] for key, name in wire.items() if key in given}
    return alterations.ask(services(), require_user(), reference, changes, given["note"])


@blueprint.route("/alterations")
@blueprint.arguments(AlterationsIn, location="query")
@blueprint.response(200, AlterationOut(many=True))
def listed(asked: dict[str, Any]) -> Any:
    """List the newest requests: your own, or everybody's for administrators."""
    return alterations.listed(services(), require_user(), is_open=asked["pending"])


@blueprint.route("/alterations/<int:alteration_id>/grant", methods=["POST"])
@blueprint.arguments(DecisionIn, required=False)
@blueprint.response(200, AlterationOut)
def grant(given: dict[str, Any], alteration_id: int) -> Any:
    """Grant a request; for administrators."""
    reason = given.get("reason", "")
    return alterations.decide(services(), require_user(), alteration_id, grant=True, reason=reason)


@blueprint.route("/alterations/<int:alteration_id>/refuse", methods=["POST"])
@blueprint.arguments(DecisionIn)
@blueprint.response(200, AlterationOut)
def refuse(given: dict[str, Any], alteration_id: int) -> Any:
    """Refuse a request, with a reason for its user; for administrators."""
    reason = given.get("reason", "")
    return alterations.decide(services(), require_user(), alteration_id, grant=False, reason=reason)
