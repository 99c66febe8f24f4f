"""The hosts that run jobs, for programs."""

from __future__ import annotations

from typing import Any

from portal import nodes
from portal.api.blueprint import ApiBlueprint
from portal.api.node_schemas import HostOut, NodeOfflineIn, NodeOnlineIn
from portal.services import services
from portal.sessions import require_admin, require_user

blueprint = ApiBlueprint("nodes", __name__, "Hosts that run jobs.")


@blueprint.route("/nodes")
@blueprint.response(200, HostOut(many=True))
def list_nodes() -> Any:
    """List the hosts, as they were when they were last looked at."""
    return nodes.nodes_of(services(), require_user().name)


@blueprint.route("/nodes/<string:name>/offline", methods=["POST"])
@blueprint.arguments(NodeOfflineIn)
@blueprint.response(200, HostOut)
def set_offline(given: dict[str, Any], name: str) -> Any:
    """Have no new jobs start on a host; for administrators."""
    return nodes.set_offline(services(), require_admin().name, name, **given)


@blueprint.route("/nodes/<string:name>/online", methods=["POST"])
@blueprint.arguments(NodeOnlineIn)
@blueprint.response(200, HostOut)
def set_online(given: dict[str, Any], name: str) -> Any:
    """Let a host run jobs again; for administrators."""
    return nodes.set_online(services(), require_admin().name, name, **given)
