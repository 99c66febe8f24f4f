"""``port``: the catalog as a dump, and dumps into the catalog, both as they flow."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, TypeVar

from flask import Blueprint, Response, request

from catalog import call_log
from catalog.authz.caller import Caller
from catalog.port import export, importing
from catalog.port.options import Attributes, Duplicate
from catalog.rest import requests
from catalog.rest.answers import nothing, services
from catalog.rest.multipart import Part, parts
from ijp.errors import BadRequestError, PortalError

blueprint = Blueprint("icat_port", __name__, url_prefix="/icat")

_MOST_OPTIONS_BYTES = 2**16 + 2**12
_LISTEN_ON_SECONDS = 20
_PIECE_BYTES = 2**20

Choice = TypeVar("Choice", Attributes, Duplicate)


@blueprint.get("/port")
def write_dump() -> Response:
    """A dump of everything, or of what a query gives, as far as the user may read it."""
    given = _options(requests.field(request, "json"), {"query", "attributes"})
    call_log.note(call_log.READ, "export", query=_text(given, "query"))
    pieces = export.dump(
        services().transactions,
        _caller(given),
        query=_text(given, "query"),
        attributes=_choice(given, "attributes", Attributes.USER),
        max_entities=services().settings.max_entities,
    )
    # The first piece is made here, so that a wrong query is answered as an error.
    answer = Response(chain([next(pieces)], pieces), content_type="text/plain; charset=utf-8")
    answer.call_on_close(pieces.close)
    answer.headers["Content-Disposition"] = 'attachment; filename="icat.export"'
    return answer


@blueprint.post("/port")
def read_dump() -> Response:
    """Store the rows of dumps; each is a transaction of its own."""
    request.max_content_length = sys.maxsize
    return _heard_out(_import)


def _import() -> Response:
    load: Callable[[Part], None] | None = None
    loaded = False
    for part in parts(request.stream, request.mimetype_params.get("boundary", "")):
        if part.is_file:
            if load is None:
                raise BadRequestError("json must come before the file")
            load(part)
            loaded = True
        elif part.name == "json" and load is None:
            load = _loader(part.text(_MOST_OPTIONS_BYTES))
        else:
            raise BadRequestError(f"{part.name[:60]!r} is not expected here")
    if not loaded:
        raise BadRequestError("json is not set" if load is None else "no file was sent")
    return nothing()


def _loader(text: str) -> Callable[[Part], None]:
    given = _options(text, {"duplicate", "attributes"})
    caller = _caller(given)
    duplicate = _choice(given, "duplicate", Duplicate.THROW)
    attributes = _choice(given, "attributes", Attributes.USER)

    call_log.note(call_log.WRITE, "import")

    def load(part: Part) -> None:
        importing.load(
            services().transactions, caller, part.body, duplicate=duplicate, attributes=attributes
        )

    return load


def _options(text: str, known: set[str]) -> Mapping[str, Any]:
    document = requests.json_of(text)
    if not isinstance(document, dict):
        raise BadRequestError("json must be an object")
    for name in document:
        if name not in known | {"sessionId"}:
            raise BadRequestError(f"{name[:60]!r} is not expected in json")
    return document


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{name} in json must be a string")
    return value


def _choice(given: Mapping[str, Any], name: str, default: Choice) -> Choice:
    value = (_text(given, name) or default.value).upper()
    known = type(default)
    if value not in known.__members__:
        names = ", ".join(known.__members__)
        raise BadRequestError(f"{name} in json must be one of {names}, not {value[:60]!r}")
    return known[value]


def _caller(given: Mapping[str, Any]) -> Caller:
    return services().caller(requests.bearer(request) or _text(given, "sessionId"))


def _heard_out(answer: Callable[[], Response]) -> Response:
    """Read on after an error: a client that is still sending would not see the answer."""
    try:
        return answer()
    except PortalError:
        until = time.monotonic() + _LISTEN_ON_SECONDS
        # If it has gone there is nobody to answer.
        with suppress(Exception):
            while time.monotonic() < until and request.stream.read(_PIECE_BYTES):
                pass
        raise
