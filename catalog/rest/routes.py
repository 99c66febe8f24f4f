"""The routes of ICAT's REST interface, and those we add to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request

from catalog.auth.authenticator import Authenticator
from catalog.rest import requests
from catalog.rest.answers import json_answer, nothing, services, text_answer
from catalog.version import VERSION
from ijp.errors import BadRequestError
from servicekit import client_address

blueprint = Blueprint("icat", __name__, url_prefix="/icat")

MOST_QUERIES = 200
MOST_IDS = 10_000


@blueprint.get("/version")
def version() -> Response:
    """The version of the interface."""
    return json_answer({"version": VERSION})


@blueprint.get("/properties")
def properties() -> Response:
    """What a client needs to know before it logs in; also which of our additions there are."""
    settings = services().settings
    return json_answer(
        {
            "maxEntities": settings.max_entities,
            "lifetimeMinutes": _whole(settings.lifetime_minutes),
            "authenticators": [
                _authenticator(name, one, settings.authenticator_settings.get(name, {}))
                for name, one in services().door.authenticators.items()
            ],
            "containerType": "UNKNOWN",
            "sessionHeader": True,
            "searchEach": True,
        }
    )


def _authenticator(name: str, one: Authenticator, settings: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "mnemonic": name,
        "keys": [
            {"name": key.name, "hide": True} if key.hide else {"name": key.name} for key in one.keys
        ],
    }
    if one.admin:
        described["admin"] = True
    if friendly := settings.get("friendly", one.friendly):
        described["friendly"] = str(friendly)
    return described


@blueprint.post("/session")
def login() -> Response:
    """Log in; gives the id of a new session."""
    document = requests.json_of(requests.field(request, "json"))
    plugin, credentials = _credentials(document)
    address = client_address.of(request, services().settings.trusted_proxies)
    session_id = services().door.login(plugin, credentials, address)
    return json_answer({"sessionId": session_id})


def _credentials(document: object) -> tuple[str, dict[str, str]]:
    if isinstance(document, dict):
        plugin, given = document.get("plugin"), document.get("credentials", [])
        pairs = given if isinstance(given, list) else [given]
        if isinstance(plugin, str) and all(isinstance(one, dict) for one in pairs):
            found = {name: value for one in pairs for name, value in one.items()}
            if all(_is_text(value) for value in [plugin, *found, *found.values()]):
                return plugin, found
    raise BadRequestError(
        'json must be {"plugin": "…", "credentials": [{"name": "value"}, …]}, all of it text'
    )


def _is_text(value: object) -> bool:
    """Whether it is a string that databases can hold: without NUL and half characters."""
    return (
        isinstance(value, str)
        and "\0" not in value
        and value == value.encode("utf-8", "replace").decode()
    )


@blueprint.get("/session/<session_id>")
def session_status(session_id: str) -> Response:
    """Whose session it is, and how long it lasts."""
    user_name, left = services().session_status(_own(session_id))
    return json_answer({"userName": user_name, "remainingMinutes": left / timedelta(minutes=1)})


@blueprint.put("/session/<session_id>")
def refresh(session_id: str) -> Response:
    """Let a session last its full lifetime again."""
    services().refresh(_own(session_id))
    return nothing()


@blueprint.delete("/session/<session_id>")
def logout(session_id: str) -> Response:
    """End a session."""
    services().logout(_own(session_id))
    return nothing()


def _own(session_id: str) -> str | None:
    """The session that a path names: ``me`` is the one of the request itself."""
    return requests.session_id(request) if session_id == "me" else session_id


@blueprint.get("/user/<path:name>")
def is_logged_in(name: str) -> Response:
    """Whether a user has a session."""
    return json_answer({"loggedIn": _is_text(name) and services().is_logged_in(name)})


@blueprint.get("/entityManager")
def search() -> Response:
    """The rows of a query; with ``id`` the one entity."""
    with services().reading(requests.session_id(request)) as reader:
        query = requests.field(request, "query")
        if id := request.args.get("id"):
            return text_answer([reader.get(query, requests.id_of(id))])
        return text_answer(reader.search(query))


@blueprint.post("/entityManager")
def write() -> Response:
    """Create and change entities; gives the ids of the new ones."""
    session_id = requests.session_id(request)
    try:
        items = requests.items(requests.json_of(requests.field(request, "entities")))
    except BadRequestError:
        # Who has no session is told that first.
        services().caller(session_id)
        raise
    return json_answer(services().write(session_id, items))


@blueprint.delete("/entityManager")
def delete() -> Response:
    """Delete entities with all that hangs on them."""
    caller = services().caller(requests.session_id(request))
    targets = requests.targets(requests.json_of(requests.field(request, "entities")))
    services().delete(caller, targets)
    return nothing()


@blueprint.post("/searchEach")
def search_each() -> Response:
    """Several queries for each of several ids; gives at most two values each."""
    with services().reading(requests.session_id(request)) as reader:
        document = requests.json_of(requests.field(request, "json"))
        found = reader.search_each(*_queries(document))
    return json_answer(found)


def _queries(document: object) -> tuple[dict[str, str], list[int]]:
    if isinstance(document, dict) and document.keys() == {"queries", "ids"}:
        queries, ids = document["queries"], document["ids"]
        if (
            isinstance(queries, dict)
            and isinstance(ids, list)
            and all(isinstance(query, str) for query in queries.values())
        ):
            if len(queries) > MOST_QUERIES or len(ids) > MOST_IDS:
                raise BadRequestError(f"at most {MOST_QUERIES} queries and {MOST_IDS} ids")
            return queries, [requests.id_of(id) for id in ids]
    raise BadRequestError('json must be {"queries": {"name": "query", …}, "ids": [1, …]}')


def _whole(number: float) -> float | int:
    return int(number) if number == int(number) else number
