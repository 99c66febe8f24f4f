"""The OpenAPI document of the catalog's REST interface."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from catalog.query.schema import entities
from catalog.rest.answers import json_answer
from catalog.rest.operator import MOST_ROWS, MOST_SECONDS
from catalog.version import VERSION

blueprint = Blueprint("icat_openapi", __name__, url_prefix="/icat")

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "integer", "format": "int64", "minimum": 1}
_SESSION: Schema = {"sessionId": _TEXT}
_ERRORS = {
    "400": "The request is wrong",
    "403": "No session, or no right",
    "404": "There is no such object",
    "412": "A value, or a key that is there already",
    "413": "Too large",
    "501": "No such operation",
    "503": "Try again",
}


@blueprint.get("/openapi.json")
def show() -> Response:
    """The document."""
    return json_answer(document())


def document() -> Schema:
    """The document as JSON has it."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "ICAT", "version": VERSION},
        "servers": [{"url": "/icat"}],
        "paths": {**_sessions(), **_entities(), **_dumps(), **_server()},
        "components": {
            "schemas": {"Error": _object(code=_TEXT, message=_TEXT, offset={"type": "integer"})},
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"session": []}, {}],
    }


def _sessions() -> Schema:
    status = _object(userName=_TEXT, remainingMinutes={"type": "number"})
    login = _object(plugin=_TEXT, credentials={"type": "array", "items": {"type": "object"}})
    return {
        "/session": {"post": _call("Log in", _object(sessionId=_TEXT), form={"json": login})},
        "/session/{sessionId}": {
            "get": _call("Whose session it is", status, path={"sessionId": _TEXT}),
            "put": _call("Refresh", path={"sessionId": _TEXT}),
            "delete": _call("Log out", path={"sessionId": _TEXT}),
        },
        "/user/{name}": {
            "get": _call(
                "Whether a user is logged in",
                _object(loggedIn={"type": "boolean"}),
                path={"name": _TEXT},
            )
        },
    }


def _entities() -> Schema:
    names: Schema = {"type": "string", "enum": list(entities())}
    # An id in the query gives one object, else there are rows.
    found: Schema = {"anyOf": [{"type": "array", "items": {}}, {"type": "object"}]}
    written = {"type": "array", "items": _ID}
    query: Schema = {"query": _TEXT, "id": {**_ID, "optional": True}, **_SESSION}
    clone: Schema = {"name": names, "id": _ID, "keys": {"type": "object"}, **_SESSION}
    return {
        "/entityManager": {
            "get": _call("Search", found, query=query),
            "post": _call("Create and change", written, form={"entities": {}, **_SESSION}),
            "delete": _call("Delete", query={"entities": {**_TEXT}, **_SESSION}),
        },
        "/cloner": {"post": _call("Copy an object", _object(id=_ID), form=clone)},
        "/searchEach": {
            "post": _call("Queries for many ids", {"type": "object"}, form={"json": {}})
        },
    }


def _dumps() -> Schema:
    content = {"application/json": {"schema": {"type": "object"}}}
    options = {"name": "json", "in": "query", "required": True, "content": content}
    parts = {"json": {"type": "object"}, "file": {"type": "string", "format": "binary"}}
    body = {"content": {"multipart/form-data": {"schema": _object(**parts)}}}
    return {
        "/port": {
            "get": {
                **_call("A dump", text=True),
                "parameters": [options],
            },
            "post": {**_call("Read a dump"), "requestBody": body},
        }
    }


def _server() -> Schema:
    jpql: Schema = {"query": _TEXT, "max": {**_up_to(MOST_ROWS), "optional": True}, **_SESSION}
    wait: Schema = {"ms": _up_to(MOST_SECONDS * 1000), **_SESSION}
    slept = _object(slept={"type": "integer"})
    return {
        "/version": {"get": _call("The version", _object(version=_TEXT))},
        "/properties": {"get": _call("What a client must know", {"type": "object"})},
        "/sleep/{seconds}": {"get": _call("Wait", slept, path={"seconds": _up_to(MOST_SECONDS)})},
        "/waitMillis": {"post": _call("Wait; for root users", form=wait)},
        "/jpql": {"get": _call("First results; for root users", text=True, query=jpql)},
        "/gatekeeper/markPublicTablesStale": {"post": _call("Nothing")},
        "/gatekeeper/markPublicStepsStale": {"post": _call("Nothing")},
    }


def _call(
    summary: str,
    gives: Schema | None = None,
    *,
    path: Schema | None = None,
    query: Schema | None = None,
    form: Schema | None = None,
    text: bool = False,
) -> Schema:
    """An operation; without ``gives`` and ``text`` its answer is empty."""
    found: Schema = {"summary": summary, "responses": _responses(gives, text)}
    given = [_parameter(name, "path", one) for name, one in (path or {}).items()]
    given += [_parameter(name, "query", one) for name, one in (query or {}).items()]
    if given:
        found["parameters"] = given
    if form:
        content: Schema = {"schema": {"type": "object", "properties": form}}
        structured = [name for name, one in form.items() if one.get("type") in (None, "object")]
        content["encoding"] = {name: {"contentType": "application/json"} for name in structured}
        found["requestBody"] = {"content": {"application/x-www-form-urlencoded": content}}
    return found


def _parameter(name: str, place: str, schema: Schema) -> Schema:
    plain = {key: value for key, value in schema.items() if key != "optional"}
    required = name != "sessionId" or place == "path"
    return {
        "name": name,
        "in": place,
        "required": required and not schema.get("optional"),
        "schema": plain,
    }


def _responses(gives: Schema | None, text: bool) -> Schema:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    found: Schema = {
        code: {"description": meaning, "content": error} for code, meaning in _ERRORS.items()
    }
    if text:
        found["200"] = {"description": "Text", "content": {"text/plain": {"schema": _TEXT}}}
    elif gives is None:
        found["204"] = {"description": "Done"}
    else:
        found["200"] = {"description": "Found", "content": {"application/json": {"schema": gives}}}
    return found


def _up_to(most: int) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": most}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}
