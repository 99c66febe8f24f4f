"""``cloner``: a copy of an object with all that hangs on it."""

from __future__ import annotations

from flask import Blueprint, Response, request

from catalog import call_log, cloning
from catalog.query.schema import entities
from catalog.rest import requests
from catalog.rest.answers import json_answer, services
from ijp.errors import BadRequestError

blueprint = Blueprint("icat_cloner", __name__, url_prefix="/icat")


@blueprint.post("/cloner")
def clone() -> Response:
    """Copy an object, with other values for attributes of its key; gives the id of the copy."""
    caller = services().caller(requests.session_id(request))
    name = requests.field(request, "name")
    if name not in entities():
        raise BadRequestError(f"{name[:60]!r} is not an ICAT entity")
    entity = entities()[name]
    call_log.note(call_log.WRITE, "clone", entityName=name)
    id = requests.id_of(requests.field(request, "id"))
    given = requests.json_of(request.form.get("keys") or "{}")
    if not isinstance(given, dict):
        raise BadRequestError("keys must be an object")
    keys = cloning.read_keys(entity, given)
    with services().transactions.writing() as connection:
        most = services().settings.max_entities
        return json_answer({"id": cloning.clone(connection, caller, entity, id, keys, most)})
