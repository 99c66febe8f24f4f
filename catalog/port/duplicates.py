"""Rows of a dump whose key is in the catalog already."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select

from catalog import entities
from catalog.authz.caller import Caller
from catalog.authz.rules import Access, Rights
from catalog.clashes import key_columns
from catalog.items import Change, Creation, Item
from catalog.model.base import wire_name
from catalog.port.options import Duplicate
from catalog.validation import constraints
from ijp.errors import ValidationFailedError

_TOLERANCE = timedelta(seconds=1)


def stored(connection: Connection, creation: Creation) -> RowMapping | None:
    """The row that has the key of a new entity; None also for what has no key."""
    values = {one: creation.values.get(one) for one in key_columns(creation.entity)}
    if not values or None in values.values():
        return None
    table = creation.entity.table
    sql = select(table).where(*(table.c[column] == value for column, value in values.items()))
    return connection.execute(sql).mappings().first()


def settle(
    connection: Connection,
    caller: Caller,
    duplicate: Duplicate,
    creation: Creation,
    there: RowMapping,
) -> None:
    """Do with a duplicate what was chosen.

    Raises:
        ValidationFailedError: The two are not equal, for ``CHECK``.
        NotAuthorizedError: The caller may not read it for ``CHECK``, or update it for
            ``OVERWRITE``.
    """
    if duplicate is Duplicate.CHECK:
        Rights(connection, caller).require(Access.READ, creation.entity.name, [there["id"]])
        _compare(creation, there)
    elif duplicate is Duplicate.OVERWRITE:
        change = Change(
            creation.entity,
            int(there["id"]),
            dict(creation.values),
            creation.offset,
            fields={_name(creation, column) for column in creation.values},
        )
        entities.write(connection, caller, [Item([change])])


def _compare(creation: Creation, there: RowMapping) -> None:
    expected = {**constraints(creation.entity).defaults, **creation.values}
    for column, value in expected.items():
        if not _equal(value, there[column]):
            raise ValidationFailedError(
                f"{creation.entity.name}: {_name(creation, column)} is {_shown(there[column])}"
                f" in the catalog and not {_shown(value)}"
            )


def _equal(one: object, other: object) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return abs(one - other) <= _TOLERANCE
    return one == other


def _name(creation: Creation, column: str) -> str:
    """The name on the wire of what a column holds."""
    for relation in creation.entity.to_one():
        if relation.column == column:
            return relation.name
    return wire_name(column)


def _shown(value: object) -> str:
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
