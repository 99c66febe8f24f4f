"""What clients send: a session, JSON in a form field or the query, entities in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Request

from catalog.items import Change, Creation, Item, about
from catalog.query.schema import Entity, Relation, entities
from catalog.values import LARGEST_ID, converters
from ijp.errors import BadRequestError

DEPTH = 20
"""How deep entities may be nested in entities."""

_MOST_SHOWN = 200


def session_id(request: Request) -> str | None:
    """The session of a request: from the header, else from form or query; None if there is none."""
    return bearer(request) or request.form.get("sessionId") or request.args.get("sessionId")


def bearer(request: Request) -> str | None:
    """The session in the header; None if there is none."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() or None if kind.lower() == "bearer" else None


def field(request: Request, name: str) -> str:
    """A form field or query argument that must be there.

    Raises:
        BadRequestError: It is not, or empty.
    """
    if value := request.form.get(name) or request.args.get(name):
        return value
    raise BadRequestError(f"{name} is not set")


def json_of(text: str) -> Any:
    """The JSON in a text.

    Raises:
        BadRequestError: It is not JSON; NaN and infinity are not, either.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise BadRequestError(f"{error} in json {_shown(text)}") from error
    except RecursionError as error:
        raise BadRequestError(f"too deeply nested in json {_shown(text)}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _shown(found: object) -> str:
    """The beginning of a text, or of something from JSON."""
    try:
        text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    except RecursionError:
        text = "…"
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def id_of(value: object) -> int:
    """An id as JSON or a query argument has it.

    Raises:
        BadRequestError: It is not one.
    """
    try:
        number = int(value) if isinstance(value, int | str) else 0
    except ValueError:
        number = 0
    if isinstance(value, bool) or not 0 < number <= LARGEST_ID:
        raise BadRequestError(f"Badly formatted id: {_shown(value)}")
    return number


def items(document: object) -> list[Item]:
    """What a request wants written.

    Raises:
        BadRequestError: With the offset of the member that is wrong.
    """
    found: list[Item] = []
    for offset, member in enumerate(document if isinstance(document, list) else [document]):
        with about(offset):
            entity, body = _named(member)
            found.append(_Reader(offset).item(entity, body))
    return found


def targets(document: object) -> list[tuple[Entity, int]]:
    """What a request wants deleted.

    Raises:
        BadRequestError: With the offset of the member that is wrong.
    """
    found: list[tuple[Entity, int]] = []
    for offset, member in enumerate(document if isinstance(document, list) else [document]):
        with about(offset):
            entity, body = _named(member)
            if "id" not in body:
                raise BadRequestError(
                    f"entity must have the id value specified in json {_shown(member)}"
                )
            if len(body) > 1:
                raise BadRequestError(
                    f"entity must have only the id value specified in json {_shown(member)}"
                )
            found.append((entity, id_of(body["id"])))
    return found


def _named(member: object) -> tuple[Entity, dict[str, Any]]:
    if isinstance(member, list):
        raise BadRequestError(f"Unexpected array found in JSON {_shown(member)}")
    if isinstance(member, dict) and len(member) == 1:
        ((name, body),) = member.items()
        if name not in entities():
            raise BadRequestError(f"{_shown(name)} is not an ICAT entity")
        if isinstance(body, list):
            raise BadRequestError(f"Unexpected array found in JSON {_shown(member)}")
        if isinstance(body, dict):
            return entities()[name], body
    raise BadRequestError(
        f"Entity must have one keyword followed by its values in json {_shown(member)}"
    )


class _Reader:
    """Reads one member of a request."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._changes: list[Change] = []

    def item(self, entity: Entity, body: dict[str, Any]) -> Item:
        """What the member wants; changes of related entities come first."""
        if "id" in body:
            self._change(entity, body, 1)
            return Item(self._changes)
        creation = self._creation(entity, body, 1)
        return Item(self._changes, creation)

    def _creation(self, entity: Entity, body: Mapping[str, Any], depth: int) -> Creation:
        creation = Creation(entity, {}, self._offset)
        self._fill(creation, body, depth)
        return creation

    def _change(self, entity: Entity, body: Mapping[str, Any], depth: int) -> None:
        change = Change(entity, id_of(body["id"]), {}, self._offset)
        rest = {name: value for name, value in body.items() if name != "id"}
        change.fields = set(rest)
        self._fill(change, rest, depth)
        self._changes.append(change)

    def _fill(self, into: Creation | Change, body: Mapping[str, Any], depth: int) -> None:
        entity = into.entity
        if depth > DEPTH:
            raise BadRequestError(f"entities are nested more than {DEPTH} deep")
        plain = converters(entity)
        for name, value in body.items():
            if found := plain.get(name):
                column, convert = found
                into.values[column] = convert(value)
            elif relation := entity.relations.get(name):
                if relation.to_many:
                    self._children(into, relation, value, depth)
                else:
                    into.values[relation.column] = self._target(relation, value, depth)
            elif name in entity.attributes:
                raise BadRequestError(f"Field {name} is set by the server in {entity.name}")
            else:
                raise BadRequestError(f"Field {_shown(name)} not found in {entity.name}")

    def _target(self, relation: Relation, value: object, depth: int) -> int | None:
        if value is None:
            return None
        if not isinstance(value, dict) or "id" not in value:
            raise BadRequestError(
                f"{relation.name} of {relation.origin} must be an object with an id,"
                f" not {_shown(value)}"
            )
        if len(value) > 1:
            self._change(entities()[relation.target], value, depth + 1)
        return id_of(value["id"])

    def _children(
        self, into: Creation | Change, relation: Relation, value: object, depth: int
    ) -> None:
        if not isinstance(value, list):
            raise BadRequestError(
                f"{relation.name} of {relation.origin} must be an array, not {_shown(value)}"
            )
        for member in value:
            if not isinstance(member, dict) or "id" in member:
                raise BadRequestError(
                    f"members of {relation.name} of {relation.origin} must be objects without id,"
                    f" not {_shown(member)}"
                )
            child = self._creation(entities()[relation.target], member, depth + 1)
            into.children.append((relation, child))
