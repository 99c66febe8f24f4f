"""Log-in with whatever the catalog's authenticators ask for, and log-out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from ijp.catalog import Authenticator
from ijp.errors import NotAuthenticatedError, NotFoundError
from portal import drafts, single_sign_on
from portal.services import services
from portal.sessions import current_user, login_required, require_user
from portal.single_sign_on import SingleSignOn

blueprint = Blueprint("login", __name__)

_CREDENTIAL = "credential."


@blueprint.route("/login", methods=["GET", "POST"])
def log_in() -> ResponseReturnValue:
    """Ask for the credentials of one authenticator; then go where the user wanted to go."""
    authenticators = services().catalog.properties().authenticators
    chosen = _chosen(authenticators)
    if request.method == "POST" and chosen:
        return _try(authenticators, chosen)
    if current_user() and not request.values.get(drafts.FIELD):
        return redirect(safe_path(request.args.get("next", "/")))
    return _page(authenticators, chosen)


def _chosen(authenticators: tuple[Authenticator, ...]) -> Authenticator | None:
    wanted = request.values.get("authenticator") or request.cookies.get("ijp_authenticator")
    found = [one for one in authenticators if one.mnemonic == wanted]
    return next(iter([*found, *authenticators]), None)


def _try(authenticators: tuple[Authenticator, ...], chosen: Authenticator) -> ResponseReturnValue:
    typed = {key.name: request.form.get(_CREDENTIAL + key.name, "") for key in chosen.keys}
    try:
        return _logged_in(chosen.mnemonic, typed, _destination())
    except NotAuthenticatedError as refusal:
        fault = f"That did not work: {refusal.message}. Check what you typed and try again."
        return _page(authenticators, chosen, fault=fault, typed=typed), 401


def _logged_in(authenticator: str, credentials: Mapping[str, str], place: str) -> Response:
    """Log in and go on.

    Raises:
        NotAuthenticatedError: The authenticator refused.
    """
    _, cookie = services().sessions.login(authenticator, credentials)
    answer = redirect(place, 303)
    services().sessions.set_cookie(answer, cookie)
    answer.set_cookie(
        "ijp_authenticator",
        authenticator,
        max_age=365 * 24 * 3600,
        httponly=True,
        samesite="Lax",
        secure=services().settings.secure_cookies,
    )
    return answer


@blueprint.get("/login/single-sign-on")
def begin_single_sign_on() -> Response:
    """Send the browser to the OpenID provider.

    Raises:
        NotFoundError: The facility has none.
        UnavailableError: It does not answer.
    """
    return _required_single_sign_on().begin(_destination())


@blueprint.get(single_sign_on.CALLBACK)
def finish_single_sign_on() -> ResponseReturnValue:
    """Log in with what the browser brings from the provider; a refusal is told on the page."""
    provider = _required_single_sign_on()
    try:
        credentials, place = provider.finish()
        return _logged_in(provider.authenticator, credentials, place)
    except NotAuthenticatedError as refusal:
        authenticators = services().catalog.properties().authenticators
        named = [one for one in authenticators if one.mnemonic == provider.authenticator]
        fault = f"That did not work: {refusal.message}. Please begin again."
        return _page(authenticators, next(iter(named), None), fault=fault), 401


def _single_sign_on() -> SingleSignOn | None:
    return cast(SingleSignOn | None, current_app.extensions["single_sign_on"])


def _required_single_sign_on() -> SingleSignOn:
    if (found := _single_sign_on()) is None:
        raise NotFoundError("this facility has no single sign-on")
    return found


def _destination() -> str:
    if draft := request.values.get(drafts.FIELD):
        return url_for(".draft", draft=draft)
    return safe_path(request.values.get("next", "/"))


def _page(
    authenticators: tuple[Authenticator, ...], chosen: Authenticator | None, **more: Any
) -> str:
    typed = more.pop("typed", {})
    names = [key.name for key in chosen.keys] if chosen else []
    empty = [name for name in names if not typed.get(name)]
    hidden = [key.name for key in chosen.keys if key.hide] if chosen else []
    draft = request.values.get(drafts.FIELD)
    next_path = request.values.get("next")
    provider = _single_sign_on()
    return render_template(
        "login.html",
        authenticators=authenticators,
        chosen=chosen,
        typed=typed,
        focus=next(iter([*empty, *hidden, *names]), None),
        draft=draft,
        next_path=safe_path(next_path) if next_path else None,
        by_provider=bool(provider and chosen and chosen.mnemonic == provider.authenticator),
        why="draft" if draft else "ended" if next_path not in (None, "/") else "",
        **more,
    )


def safe_path(path: str) -> str:
    """A path of this portal to go to after log-in; what leads elsewhere becomes the first page.

    Browsers read a backslash as a slash, and skip control characters.
    """
    parts = urlsplit(path)
    harmless = path.isprintable() and "\\" not in path and not path.startswith("//")
    if parts.scheme or parts.netloc or not path.startswith("/") or not harmless:
        return "/"
    return "/" if parts.path in ("/login", "/logout") else path


@blueprint.get("/login/draft")
@login_required
def draft() -> ResponseReturnValue:
    """Lead back to the form that was sent too late, or offer to send it again as it is."""
    draft_id = request.args.get(drafts.FIELD, "")
    path = services().sessions.draft_path(draft_id, require_user())
    if path and (back := drafts.way_back(path, draft_id)):
        flash("You are logged in again. What you typed is still here; nothing was sent yet.")
        return redirect(back)
    kept = services().sessions.load_draft(draft_id, require_user()) if path else None
    return render_template("draft.html", draft=kept)


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session."""
    answer = redirect(url_for(".log_in"), 303)
    if user := current_user():
        services().sessions.logout(user, answer)
        flash("You are logged out. Your jobs go on.", "success")
    return answer
