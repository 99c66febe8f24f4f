"""Copies an object with all that hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from catalog import clashes
from catalog.authz.caller import Caller
from catalog.authz.rules import Access, Rights
from catalog.events import outbox
from catalog.items import Creation, Values
from catalog.model import Base
from catalog.model.base import SYSTEM_ATTRIBUTES
from catalog.query.id_list import is_listed
from catalog.query.schema import Entity, entities
from catalog.validation import check_creation
from catalog.values import converters
from ijp.errors import BadRequestError, NotFoundError, ValidationFailedError

_CHUNK = 1000


def clone(
    connection: Connection, caller: Caller, entity: Entity, id: int, keys: Values, max_entities: int
) -> int:
    """Copy an object and all objects of its to-many relations, each once; gives the copy's id.

    Relations between two objects that are copied are so between the copies; those to other objects
    lead to the same as before.

    Args:
        keys: Other values for the copy of the object itself, by column: see ``read_keys``.

    Raises:
        NotFoundError: There is no such object.
        ValidationFailedError: More than ``max_entities`` would be copied.
        NotAuthorizedError: One of them may not be read, or its copy not be created.
        ConflictError: The key of a copy is there already.
    """
    rights = Rights(connection, caller)
    rights.settle()
    found = _tree(connection, entity, id, max_entities)
    for name, ids in found.items():
        rights.require(Access.READ, name, ids)
    copier = _Copier(connection, caller, entity, id, keys)
    for one in _in_order(found):
        copier.copy(one, sorted(found[one.name]))
    for name, copies in copier.copies.items():
        rights.require(Access.CREATE, name, set(copies.values()))
        outbox.note(connection, caller.name, "C", name, copies.values())
    return copier.copies[entity.name][id]


def read_keys(entity: Entity, given: dict[str, object]) -> Values:
    """The values by column of attributes of the key, as JSON has them.

    Raises:
        BadRequestError: One is no such attribute, or its value cannot be.
    """
    columns = clashes.key_columns(entity)
    values: Values = {}
    for name, value in given.items():
        column, convert = converters(entity).get(name, ("", None))
        if convert is None or column not in columns:
            raise BadRequestError(f"{name[:60]!r} is no attribute of the key of {entity.name}")
        values[column] = convert(value)
    return values


def _tree(connection: Connection, entity: Entity, id: int, most: int) -> dict[str, set[int]]:
    """The ids of an object and of all that hangs on it, by entity."""
    table = entity.table
    if connection.scalar(select(table.c.id).where(table.c.id == id)) is None:
        raise NotFoundError(f"{entity.name}[id:{id}] not found.")
    found: dict[str, set[int]] = {}
    waiting = [(entity, {id})]
    while waiting:
        one, ids = waiting.pop()
        fresh = ids - found.setdefault(one.name, set())
        found[one.name] |= fresh
        if sum(map(len, found.values())) > most:
            raise ValidationFailedError(f"attempt to process more than {most} entities")
        for relation in one.to_many() if fresh else ():
            target = entities()[relation.target]
            owned = is_listed(connection, target.table.c[relation.column], fresh)
            rows = connection.scalars(select(target.table.c.id).where(owned).limit(most + 1))
            waiting.append((target, set(rows)))
    return {name: ids for name, ids in found.items() if ids}


def _in_order(found: dict[str, set[int]]) -> Iterator[Entity]:
    """The entities, each after those that it refers to."""
    by_table = {entity.table: entity for entity in entities().values()}
    for table in Base.metadata.sorted_tables:
        entity = by_table.get(table)
        if entity is not None and entity.name in found:
            yield entity


class _Copier:
    """Copies entity by entity, and knows which copy is of which object."""

    def __init__(
        self, connection: Connection, caller: Caller, root: Entity, root_id: int, keys: Values
    ) -> None:
        self._connection = connection
        self._root = (root.name, root_id)
        self._keys = keys
        self.copies: dict[str, dict[int, int]] = {}
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._stamps = {
            "create_id": caller.name,
            "create_time": now,
            "mod_id": caller.name,
            "mod_time": now,
        }

    def copy(self, entity: Entity, ids: list[int]) -> None:
        """Copy objects of one kind; what they refer to is copied already."""
        made = self.copies.setdefault(entity.name, {})
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            listed = is_listed(self._connection, entity.table.c.id, chunk)
            rows = self._connection.execute(
                select(entity.table).where(listed).order_by(entity.table.c.id)
            ).mappings()
            creations = [self._creation(entity, dict(row)) for row in rows]
            made.update(zip(chunk, self._insert(entity, creations), strict=True))

    def _creation(self, entity: Entity, row: dict[str, object]) -> Creation:
        values = {name: value for name, value in row.items() if name not in SYSTEM_ATTRIBUTES}
        for relation in entity.to_one():
            target = values[relation.column]
            if isinstance(target, int):
                copies = self.copies.get(relation.target, {})
                values[relation.column] = copies.get(target, target)
        creation = Creation(entity, values, 0)
        if (entity.name, row["id"]) == self._root:
            values.update(self._keys)
            check_creation(creation)
        return creation

    def _insert(self, entity: Entity, creations: list[Creation]) -> list[int]:
        statement = insert(entity.table).returning(entity.table.c.id, sort_by_parameter_order=True)
        rows = [{**one.values, **self._stamps} for one in creations]
        try:
            with self._connection.begin_nested():
                return list(self._connection.scalars(statement, rows))
        except IntegrityError as error:
            refusal = clashes.explain(self._connection, entity, creations)
            refusal.offset = None
            raise refusal from error
