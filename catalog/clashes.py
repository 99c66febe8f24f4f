"""Why the database refused rows: which key is there already, or what is not there."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, tuple_

from catalog.items import Creation, Values
from catalog.model import ENTITIES
from catalog.model.base import wire_name
from catalog.query.schema import Entity
from ijp.errors import ConflictError, NotFoundError, PortalError, UnavailableError

_CHUNK = 200


class DanglingReferenceError(NotFoundError):
    """A related entity is not there."""


def of_key(
    connection: Connection, entity: Entity, creations: Sequence[Creation]
) -> PortalError | None:
    """The error for new entities that have the key of another one; None if they do not."""
    found = _stored(connection, entity, creations)
    return found or _repeated(connection, entity, creations)


def explain(connection: Connection, entity: Entity, creations: Sequence[Creation]) -> PortalError:
    """The error for new entities that the database refused together."""
    for find in (_stored, _repeated, _dangling):
        if found := find(connection, entity, creations):
            return found
    return UnavailableError(
        f"another request wrote the same {entity.name} at this moment; please try again"
    )


def explain_change(
    connection: Connection, entity: Entity, id: int, row: Values, offset: int
) -> PortalError:
    """The error for an entity that cannot be changed so that it has these values."""
    changed = Creation(entity, row, offset, id=id)
    return explain(connection, entity, [changed])


def key_columns(entity: Entity) -> dict[str, str]:
    """The columns of the unique key in its order, with their names on the wire."""
    names = [wire_name(name) for name in ENTITIES[entity.name].__key__]
    return {
        entity.relations[name].column
        if name in entity.relations
        else str(entity.attributes[name].key): name
        for name in names
    }


def _stored(
    connection: Connection, entity: Entity, creations: Sequence[Creation]
) -> PortalError | None:
    """A key that an entity in the database has."""
    if not (columns := key_columns(entity)):
        return None
    table = entity.table
    key = [table.c[one] for one in columns]
    for start in range(0, len(creations), _CHUNK):
        chunk = creations[start : start + _CHUNK]
        wanted = [_key(one.values, columns) for one in chunk]
        rows = connection.execute(select(table.c.id, *key).where(tuple_(*key).in_(wanted)))
        there = {tuple(row[1:]): row[0] for row in rows}
        for one, values in zip(chunk, wanted, strict=True):
            if there.get(values, one.id) != one.id:
                return _exists(entity, one, in_database=True)
    return None


def _repeated(_: Connection, entity: Entity, creations: Sequence[Creation]) -> PortalError | None:
    """A key that two of the new entities have."""
    columns = key_columns(entity)
    seen: set[tuple[object, ...]] = set()
    for one in creations:
        values = _key(one.values, columns)
        if values in seen and None not in values:
            return _exists(entity, one, in_database=False)
        seen.add(values)
    return None


def _dangling(
    connection: Connection, entity: Entity, creations: Sequence[Creation]
) -> PortalError | None:
    """An id of a to-one relation that nothing has."""
    for relation in entity.to_one():
        target = ENTITIES[relation.target].__table__
        wanted = {one.values.get(relation.column) for one in creations} - {None}
        ids = sorted(id for id in wanted if isinstance(id, int))
        there: set[int] = set()
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            there.update(connection.scalars(select(target.c.id).where(target.c.id.in_(chunk))))
        for one in creations:
            id = one.values.get(relation.column)
            if id is not None and id not in there:
                missing = DanglingReferenceError(f"{relation.target}[id:{id}] not found.")
                missing.offset = one.offset
                return missing
    return None


def _key(values: Values, columns: dict[str, str]) -> tuple[object, ...]:
    return tuple(values.get(column) for column in columns)


def _exists(entity: Entity, one: Creation, *, in_database: bool) -> ConflictError:
    parts = []
    for column, name in key_columns(entity).items():
        value = one.values.get(column)
        if name in entity.relations:
            value = f"{entity.relations[name].target if in_database else 'id'}:{value}"
        parts.append(f"{name} = '{value}'")
    error = ConflictError(f"{entity.name} exists with {', '.join(parts)}")
    error.offset = one.offset
    return error
