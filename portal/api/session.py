"""Log-in, for programs."""

from __future__ import annotations

from typing import Any

from ijp.errors import NotAuthenticatedError
from portal.api.blueprint import ApiBlueprint
from portal.api.schemas import AuthenticatorOut, LoggedInOut, LoginIn, SessionOut
from portal.services import services
from portal.sessions import User, require_user

blueprint = ApiBlueprint("session", __name__, "Logging in and out.")


@blueprint.route("/authenticators")
@blueprint.doc(security=[])
@blueprint.response(200, AuthenticatorOut(many=True))
def authenticators() -> Any:
    """List the ways to log in, each with the names of what it asks for."""
    return list(services().catalog.properties().authenticators)


@blueprint.route("/session", methods=["POST"])
@blueprint.doc(security=[])
@blueprint.arguments(LoginIn)
@blueprint.response(201, LoggedInOut)
def log_in(given: dict[str, Any]) -> Any:
    """Log in; the session id goes into the Authorization header of later calls."""
    session = services().sessions.open_session(given["authenticator"], given["credentials"])
    user = services().sessions.by_session_id(session.session_id)
    return {"session_id": session.session_id, **_described(user)}


@blueprint.route("/session")
@blueprint.response(200, SessionOut)
def who() -> Any:
    """Say who is logged in, and for how many minutes."""
    return _described(require_user())


def _described(user: User) -> dict[str, Any]:
    settings = services().settings
    return {
        "user_name": user.name,
        "remaining_minutes": user.catalog.remaining_minutes(),
        "is_admin": user.is_admin,
        "catalog_url": settings.for_others(settings.catalog_url),
        "datastore_url": settings.for_others(settings.datastore_url),
    }


@blueprint.route("/session", methods=["PUT"])
@blueprint.response(204)
def refresh() -> None:
    """Let the session last its full lifetime again."""
    require_user().catalog.refresh()


@blueprint.route("/session", methods=["DELETE"])
@blueprint.response(204)
def log_out() -> None:
    """End the session; jobs that are not finished go on."""
    try:
        user = require_user()
    except NotAuthenticatedError:
        return
    services().sessions.logout(user)
