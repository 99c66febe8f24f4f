"""What every page shares: its head and menu, its security headers, its errors, compression."""

from __future__ import annotations

import gzip
from typing import Any

from flask import Flask, Response, g, has_request_context, make_response, render_template, request

from ijp import errors
from portal import assets, facility_name, formats
from portal.job_counts import JobCounts
from portal.services import services
from portal.sessions import User, current_user
from servicekit import http_errors
from servicekit.http_errors import json_answer
from servicekit.logs import correlation_id

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_COMPRESSED_TYPES = ("text/html", "application/json")
_WORTH_COMPRESSING_BYTES = 1400
_PAGES = (
    ("find", "Find", "/", "search"),
    ("jobs", "Jobs", "/jobs", "list-task"),
    ("files", "Upload", "/upload", "cloud-upload"),
    ("nodes", "Nodes", "/nodes", "hdd-stack"),
    ("admin", "Admin", "/admin", "gear"),
)
_PROGRAMS = ("/api/", "/ijp/")
_TITLES = {
    400: "This request cannot be answered",
    401: "Please log in",
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This address does not take that",
    409: "That does not go now",
    413: "That is too large",
    503: "A part of the portal does not answer",
}
_ADVICE = {
    400: "Go back, correct what is named above, and send it again.",
    401: "Your session has ended. After logging in you come back to this page.",
    403: "Ask the facility if you think that you should be allowed.",
    404: "It may have been deleted, or your account may not see it. Check the address, or search.",
    405: "Go back and use the buttons of the page.",
    409: "Look at its state on its page, then try again.",
    413: "Choose less at once, or ask the facility for more room.",
    503: "Try again in a minute. Nothing that you sent before is lost.",
}
_OUR_FAULT = "This is a fault of the portal, not yours. Tell the facility the number below."


def install(app: Flask) -> None:
    """Give an application's pages what they share; its routes are registered elsewhere."""
    formats.install(app)
    app.register_blueprint(assets.blueprint)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.context_processor(_frame)
    app.after_request(_protect)
    app.after_request(_compress)
    http_errors.install(app, error_page)


def _frame() -> dict[str, Any]:
    """What the frame around every page shows."""
    viewer, after_fault = _viewer(), g.get("after_fault", False)
    facility = facility_name.of(services().settings.facility_folder, services().settings.facility)
    pages = [page for page in _PAGES if page[0] != "admin" or (viewer and viewer.is_admin)]
    return {
        "viewer": viewer,
        "facility_name": services().settings.facility,
        "facility_title": facility.title,
        "facility_url": facility.url,
        "main_pages": pages,
        "current_page": (request.blueprint or "") if request else "",
        "my_jobs": JobCounts.of(services(), viewer.name) if viewer and not after_fault else None,
    }


def _viewer() -> User | None:
    """Who looks at the page; nobody when just that could not be found out."""
    if g.get("after_fault"):
        found: User | None = g.get("user")
        return found
    try:
        return current_user()
    except errors.PortalError:
        return None


def error_page(error: errors.PortalError, status: int) -> Response:
    """What went wrong, with which thing, and what to do; JSON for programs."""
    if not has_request_context() or for_programs():
        return json_answer(error, status)
    g.after_fault = status >= 500
    page = render_template(
        "error.html",
        title=_TITLES.get(status, "Something went wrong here"),
        message=error.message,
        faults=error.fields,
        advice=_ADVICE.get(status, _OUR_FAULT if status >= 500 else _ADVICE[400]),
        number=error.correlation_id or correlation_id(),
        status=status,
    )
    return make_response(page, status)


def for_programs() -> bool:
    """Whether the current request is of a program or a script, which want JSON, not a page."""
    if request.path.startswith(_PROGRAMS) or "X-Fragment" in request.headers:
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "application/json"


def _protect(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def _compress(response: Response) -> Response:
    if not _compressible(response):
        return response
    body = response.get_data()
    if len(body) < _WORTH_COMPRESSING_BYTES:
        return response
    response.set_data(gzip.compress(body, 4, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    if etag := response.get_etag()[0]:
        response.set_etag(etag, weak=True)
    return response


def _compressible(response: Response) -> bool:
    return (
        response.is_sequence
        and response.status_code not in (204, 206, 304)
        and response.mimetype in _COMPRESSED_TYPES
        and "Content-Encoding" not in response.headers
        and request.accept_encodings["gzip"] > 0
    )
