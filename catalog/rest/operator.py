"""Calls for operators and tests of clients: raw queries, waiting, and what a cluster would need."""

from __future__ import annotations

import threading
import time

from flask import Blueprint, Response, request

from catalog import first_rows
from catalog.rest import requests
from catalog.rest.answers import json_answer, nothing, services
from ijp.errors import BadRequestError, NotAuthorizedError, UnavailableError

blueprint = Blueprint("icat_operator", __name__, url_prefix="/icat")

MOST_SECONDS = 10
MOST_ROWS = 10_000

_sleepers = threading.BoundedSemaphore(2)
"""Nobody needs a session to sleep: a few are enough."""


@blueprint.get("/sleep/<seconds>")
def sleep(seconds: str) -> Response:
    """Answer after some seconds."""
    begun = time.monotonic()
    wait = _number("seconds", seconds, MOST_SECONDS)
    if not _sleepers.acquire(blocking=False):
        raise UnavailableError("others are asleep already; please try again")
    try:
        time.sleep(wait)
    finally:
        _sleepers.release()
    return json_answer({"slept": round((time.monotonic() - begun) * 1000)})


@blueprint.post("/waitMillis")
def wait_millis() -> Response:
    """Answer after some milliseconds; for root users."""
    _require_root()
    time.sleep(_number("ms", requests.field(request, "ms"), MOST_SECONDS * 1000) / 1000)
    return nothing()


@blueprint.get("/jpql")
def jpql() -> Response:
    """The first results of a query and how many they are, as text; for root users."""
    _require_root()
    query = requests.field(request, "query")
    most = _number("max", request.args.get("max") or "5", MOST_ROWS)
    with services().transactions.reading() as connection:
        found = first_rows.texts(connection, query, most)
    count = f"at least {most}" if len(found) == most else str(len(found))
    text = f"Count {count}: {', '.join(found)}"
    return Response(text, content_type="text/plain; charset=utf-8")


@blueprint.post("/gatekeeper/markPublicTablesStale")
@blueprint.post("/gatekeeper/markPublicStepsStale")
def mark_stale() -> Response:
    """Nothing: rules and public steps are read in every call."""
    return nothing()


def _require_root() -> None:
    if not services().caller(requests.session_id(request)).is_root:
        raise NotAuthorizedError("user must be in rootUserNames")


def _number(name: str, text: str, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= most:
        return int(text)
    raise BadRequestError(f"{name} must be an integer from 0 to {most}, not {text[:60]!r}")
