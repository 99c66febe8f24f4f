"""Errors as ICAT reports them: its codes, its statuses, its body."""

from __future__ import annotations

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from catalog.error_codes import code_and_status
from ijp import errors
from servicekit import http_errors, logs


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
