"""From errors to HTTP: the one table from class to status, and the answers' common form."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from ijp import errors
from servicekit.logs import correlation_id

log = logging.getLogger(__name__)

STATUS: dict[type[errors.PortalError], int] = {
    errors.BadRequestError: 400,
    errors.ConflictError: 409,
    errors.NotAuthenticatedError: 401,
    errors.NotAuthorizedError: 403,
    errors.NotFoundError: 404,
    errors.NotImplementedHereError: 501,
    errors.TooLargeError: 413,
    errors.UnavailableError: 503,
    errors.InternalError: 500,
    errors.PortalError: 500,
}

_FROM_STATUS: dict[int, type[errors.PortalError]] = {
    400: errors.BadRequestError,
    401: errors.NotAuthenticatedError,
    403: errors.NotAuthorizedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    413: errors.TooLargeError,
    422: errors.BadRequestError,
    501: errors.NotImplementedHereError,
    503: errors.UnavailableError,
}

Answer = Callable[[errors.PortalError, int], Response]


def status_of(error: errors.PortalError) -> int:
    """The HTTP status of an error: that of its nearest base class in the table."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def body_of(error: errors.PortalError) -> dict[str, Any]:
    """The JSON body of an error."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.fields:
        body["fields"] = error.fields
    if number := error.correlation_id or correlation_id():
        body["correlationId"] = number
    return body


def json_answer(error: errors.PortalError, status: int) -> Response:
    """The usual answer."""
    answer = jsonify(body_of(error))
    answer.status_code = status
    return answer


def install(app: Flask, answer: Answer = json_answer) -> None:
    """Answer every error of an application in one form; a bug is logged and told as "internal"."""

    @app.errorhandler(errors.PortalError)
    def _known(error: errors.PortalError) -> Response:
        status = status_of(error)
        if status >= 500 and not isinstance(error, errors.UnavailableError):
            log.error("%s: %s", type(error).__name__, error.message)
        return answer(error, status)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        kind = _FROM_STATUS.get(status, errors.PortalError)
        made = answer(kind(error.description or error.name), status)
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                made.headers[name] = value
        return made

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        log.exception("unexpected %s", type(error).__name__)
        return answer(errors.InternalError("something went wrong on the server"), 500)
