"""Errors as ICAT reports them: its codes, its statuses, its body."""

from __future__ import annotations

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from ijp import errors
from servicekit import http_errors, logs

ICAT: dict[type[errors.PortalError], tuple[str, int]] = {
    errors.BadRequestError: ("BAD_PARAMETER", 400),
    errors.ConflictError: ("OBJECT_ALREADY_EXISTS", 412),
    errors.NotAuthenticatedError: ("SESSION", 403),
    errors.NotAuthorizedError: ("INSUFFICIENT_PRIVILEGES", 403),
    errors.NotFoundError: ("NO_SUCH_OBJECT_FOUND", 404),
    errors.NotImplementedHereError: ("NOT_IMPLEMENTED", 501),
    errors.TooLargeError: ("BAD_PARAMETER", 413),
    errors.UnavailableError: ("INTERNAL", 503),
    errors.ValidationFailedError: ("VALIDATION", 412),
    errors.PortalError: ("INTERNAL", 500),
}


def code_and_status(error: errors.PortalError) -> tuple[str, int]:
    """ICAT's name of an error and its HTTP status: those of its nearest base class."""
    return next(ICAT[cls] for cls in type(error).__mro__ if cls in ICAT)


def answer(error: errors.PortalError, _: int = 0) -> Response:
    """The answer that tells a client of an error."""
    code, status = code_and_status(error)
    body: dict[str, object] = {"code": code, "message": error.message}
    if error.offset is not None:
        body["offset"] = error.offset
    if code == "INTERNAL" and (number := logs.correlation_id()):
        body["correlationId"] = number
    made = jsonify(body)
    made.status_code = status
    return made


def install(app: Flask) -> None:
    """Answer every error of the application as ICAT does."""
    http_errors.install(app, answer)

    @app.errorhandler(404)
    @app.errorhandler(405)
    def _no_route(error: HTTPException) -> Response:
        return answer(
            errors.NotImplementedHereError("Operation not implemented by this ICAT server.")
        )
