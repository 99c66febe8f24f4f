"""The address of ICAT's SOAP interface: calls by POST, its description by GET."""

from __future__ import annotations

import logging
from typing import cast

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException

from catalog.clashes import DanglingReferenceError
from catalog.error_codes import code_and_status
from catalog.services import Services
from catalog.soap import answers, envelope, operations, schema, wsdl
from catalog.soap.envelope import EnvelopeError
from ijp.errors import BadRequestError, InternalError, PortalError, TooLargeError
from servicekit import client_address
from servicekit.logs import correlation_id

log = logging.getLogger(__name__)

blueprint = Blueprint("soap", __name__)

_XML = "text/xml; charset=utf-8"


@blueprint.get("/ICATService/ICAT")
@blueprint.get("/icat/ICAT")
def describe() -> Response:
    """The WSDL with ``?wsdl``, the schema with ``?xsd=1``."""
    if "xsd" in request.args:
        return Response(schema.document(), content_type=_XML)
    if any(name.lower() == "wsdl" for name in request.args):
        return Response(wsdl.document(request.base_url), content_type=_XML)
    text = f"ICAT's SOAP interface. Its description: {request.base_url}?wsdl\n"
    return Response(text, mimetype="text/plain")


@blueprint.post("/ICATService/ICAT")
@blueprint.post("/icat/ICAT")
def call() -> Response:
    """An operation; a failure is a fault, always with status 500."""
    made = envelope.read(request.get_data())
    services = cast(Services, current_app.extensions["catalog"])
    address = client_address.of(request, services.settings.trusted_proxies)
    try:
        answer = operations.run(operations.Request(services, made, address))
    except PortalError as error:
        return _fault(error, numbered=made.operation in operations.NUMBERED)
    return Response(answer, content_type=_XML)


def _fault(error: PortalError, *, numbered: bool = False) -> Response:
    code, _ = code_and_status(error)
    message = error.message
    if isinstance(error, DanglingReferenceError):
        code, message = "INTERNAL", f"Unexpected DB response: {message}"
    elif code == "INTERNAL" and (number := correlation_id()):
        message = f"{message} (request {number})"
    offset = error.offset if numbered and error.offset is not None else -1
    fault_code = error.fault_code if isinstance(error, EnvelopeError) else "Server"
    body = answers.fault(message, code, offset, fault_code)
    return Response(body, 500, content_type=_XML)


@blueprint.errorhandler(PortalError)
def _known(error: PortalError) -> Response:
    return _fault(error)


@blueprint.errorhandler(HTTPException)
def _http(error: HTTPException) -> Response:
    kind = TooLargeError if error.code == 413 else BadRequestError
    return _fault(kind(error.description or error.name))


@blueprint.errorhandler(Exception)
def _bug(error: Exception) -> Response:
    log.exception("unexpected %s", type(error).__name__)
    return _fault(InternalError("something went wrong on the server"))
