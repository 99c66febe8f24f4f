"""What statements run on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Result, Select
from sqlalchemy.exc import DataError, ProgrammingError
from sqlalchemy.orm import Session

from catalog.query.scope import REFUSED
from ijp.errors import QueryError

Executor = Session | Connection
"""What runs statements, inside the transaction of the call."""


def dialect_of(executor: Executor) -> str:
    """``sqlite`` or ``postgresql``."""
    bind = executor.get_bind() if isinstance(executor, Session) else executor
    return bind.dialect.name


def execute(executor: Executor, statement: Select[Any]) -> Result[*tuple[Any, ...]]:
    """Run what came of a query.

    Raises:
        QueryError: The database refuses it, as with a number that is out of range.
    """
    try:
        return executor.execute(statement)
    except (DataError, ProgrammingError) as error:
        reason = str(error.orig).partition("\n")[0]
        raise QueryError(f"{REFUSED}{reason}") from error
