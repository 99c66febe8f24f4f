"""Many ids as one parameter of a statement."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    TableValuedAlias,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from catalog.query.executor import Executor, dialect_of

_ASKED = "asked_ids"


def id_table(executor: Executor, ids: Collection[int]) -> TableValuedAlias:
    """A table of these ids; its only column is called ``id``, or ``value`` on SQLite."""
    if dialect_of(executor) == "sqlite":
        return func.json_each(json.dumps(list(ids))).table_valued("value", name="id_list")
    values = bindparam(None, list(ids), ARRAY(BigInteger))
    listed = func.unnest(values).table_valued(column("id", BigInteger), name="id_list")
    return listed.render_derived()


def id_of(table: TableValuedAlias) -> ColumnElement[int]:
    """The only column of such a table."""
    (found,) = table.c
    return found


def is_asked(executor: Executor, own: ColumnElement[Any]) -> ColumnElement[bool]:
    """As ``is_listed``, in a statement that is told the values when it is run: see ``asked``."""
    if dialect_of(executor) == "sqlite":
        values = func.json_each(bindparam(_ASKED, type_=String()))
        return own.in_(select(id_of(values.table_valued("value", name="id_list"))))
    return own == func.any(bindparam(_ASKED, type_=ARRAY(BigInteger)))


def asked(executor: Executor, ids: Collection[int]) -> dict[str, object]:
    """What a statement with ``is_asked`` is told."""
    found = list(ids)
    return {_ASKED: json.dumps(found) if dialect_of(executor) == "sqlite" else found}


def is_listed(
    executor: Executor, own: ColumnElement[Any], ids: Collection[int]
) -> ColumnElement[bool]:
    """Whether a column has one of these values."""
    if dialect_of(executor) == "sqlite":
        table = id_table(executor, ids)
        return own.in_(select(id_of(table)))
    return own == func.any(bindparam(None, list(ids), ARRAY(BigInteger)))
