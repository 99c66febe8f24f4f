"""What every request meets before and after its route: limits and headers."""

from __future__ import annotations

from flask import Flask, Request, Response, request
from werkzeug.exceptions import BadRequest

MOST_FIELDS = 50
LOGIN_BYTES = 64 * 1024

_FORM = "application/x-www-form-urlencoded"
_METHODS = "GET, POST, DELETE, PUT"


class LimitedRequest(Request):
    """A request whose form is refused before it is taken apart into millions of fields."""

    def _load_form_data(self) -> None:
        if "form" not in self.__dict__ and self.mimetype == _FORM:
            self._refuse_many_fields()
        super()._load_form_data()

    def _refuse_many_fields(self) -> None:
        if self.get_data(cache=True, parse_form_data=False).count(b"&") >= MOST_FIELDS:
            raise BadRequest(f"a form has at most {MOST_FIELDS} fields")


def install(app: Flask, allowed_origins: frozenset[str], max_request_bytes: int) -> None:
    """Limit what is read, and let pages of the allowed origins read the answers."""
    app.request_class = LimitedRequest
    app.config["MAX_CONTENT_LENGTH"] = max_request_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = max_request_bytes
    app.config["MAX_FORM_PARTS"] = MOST_FIELDS

    @app.before_request
    def _limit() -> None:
        if request.endpoint == "icat.login":
            request.max_content_length = LOGIN_BYTES

    @app.after_request
    def _headers(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if allowed_origins:
            response.headers.add("Vary", "Origin")
        if (origin := request.headers.get("Origin")) in allowed_origins:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        return response
