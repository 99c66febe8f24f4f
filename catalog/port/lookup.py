"""Related objects that a dump names by values of their own, or by a label in the same file."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from catalog.port.cells import label, shown, value_of
from catalog.port.header import Field, Label, Related
from catalog.port.tokens import Token
from catalog.query.schema import Entity, entities
from ijp.errors import BadRequestError, NotFoundError

_KEPT = 20_000

_Known = tuple[str, tuple[tuple[str, object], ...]]


class Labels:
    """The ids of labelled objects; in a file of its own as soon as there are many."""

    def __init__(self) -> None:
        # SQLite's manual, "In-Memory Databases": a temporary one, removed when it is closed
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(
            "CREATE TABLE label (entity, label, id, PRIMARY KEY (entity, label)) WITHOUT ROWID"
        )

    def add(self, entity: Entity, label: str, id: int) -> None:
        """Note what an object is called."""
        self._file.execute("INSERT INTO label VALUES (?, ?, ?)", (entity.name, label, id))

    def find(self, entity: Entity, label: str) -> int | None:
        """The id of the object with a label; None if none was in the file so far."""
        found = self._file.execute(
            "SELECT id FROM label WHERE entity = ? AND label = ?", (entity.name, label)
        ).fetchone()
        return None if found is None else int(found[0])

    def close(self) -> None:
        """Forget them all."""
        self._file.close()


class Lookup:
    """Finds related objects; what was found last is remembered."""

    def __init__(self, labels: Labels) -> None:
        """Take the labels of the file."""
        self._labels = labels
        self._known: OrderedDict[_Known, int] = OrderedDict()

    def related(self, connection: Connection, field: Related, row: Sequence[Token]) -> int | None:
        """The id of what a relation leads to; None where one of the values is NULL.

        Raises:
            NotFoundError: There is none with these values.
            BadRequestError: There are several, or the values cannot be theirs.
        """
        if any(row[column] is None for column in field.columns()):
            return None
        return self._found(connection, field, row)

    def _found(self, connection: Connection, field: Related, row: Sequence[Token]) -> int:
        entity = entities()[field.relation.target]
        labels = [one for one in field.key if isinstance(one, Label)]
        if labels:
            return self._labelled(entity, row[labels[0].column])
        values = tuple(self._values(connection, entity, field.key, row))
        known = (entity.name, values)
        if known in self._known:
            self._known.move_to_end(known)
            return self._known[known]
        id = _only(connection, entity, values, f"{entity.name} with {_described(field.key, row)}")
        self._known[known] = id
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return id

    def _labelled(self, entity: Entity, token: Token) -> int:
        id = self._labels.find(entity, label(token))
        if id is None:
            raise NotFoundError(f"no {entity.name} before this is labelled {shown(token)}")
        return id

    def _values(
        self, connection: Connection, entity: Entity, key: Sequence[Field], row: Sequence[Token]
    ) -> Iterator[tuple[str, object]]:
        for one in key:
            if isinstance(one, Related):
                yield one.relation.column, self._found(connection, one, row)
            elif not isinstance(one, Label):
                yield value_of(entity, one.name, row[one.column])


def _only(
    connection: Connection, entity: Entity, values: Sequence[tuple[str, object]], what: str
) -> int:
    table = entity.table
    sql = select(table.c.id).where(*(table.c[column] == value for column, value in values))
    ids = connection.scalars(sql.limit(2)).all()
    if not ids:
        raise NotFoundError(f"there is no {what}")
    if len(ids) > 1:
        raise BadRequestError(f"there is more than one {what}")
    return int(ids[0])


def _described(key: Sequence[Field], row: Sequence[Token]) -> str:
    parts = []
    for one in key:
        if isinstance(one, Related):
            parts.append(f"{one.relation.name} ({_described(one.key, row)})")
        elif not isinstance(one, Label):
            parts.append(f"{one.name} = {shown(row[one.column])}")
    return ", ".join(parts)
