"""The hosts of the batch system, for programs of administrators."""

from __future__ import annotations

from typing import Any

from portal.api.blueprint import ApiBlueprint
from portal.api.schemas import HostOut
from portal.services import services
from portal.sessions import require_admin

blueprint = ApiBlueprint("nodes", __name__, "Hosts that run jobs.")


@blueprint.route("/nodes")
@blueprint.response(200, HostOut(many=True))
def nodes() -> Any:
    """List the hosts of the batch system; for administrators."""
    require_admin()
    return services().engine.nodes()
