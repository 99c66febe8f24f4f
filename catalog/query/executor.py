"""What statements run on."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Result, Select, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from catalog.query.scope import REFUSED
from ijp.errors import QueryError

Executor = Session | Connection
"""What runs statements, inside the transaction of the call."""


def dialect_of(executor: Executor) -> str:
    """``sqlite`` or ``postgresql``."""
    bind = executor.get_bind() if isinstance(executor, Session) else executor
    return bind.dialect.name


_NO_WORKERS = text("SET LOCAL parallel_setup_cost = 20000")


def want_first_rows(executor: Executor) -> None:
    """Say that only some rows will be read, until the end of the transaction.

    PostgreSQL would share out among workers what one process has found before they have started.
    """
    if dialect_of(executor) == "postgresql":
        executor.execute(_NO_WORKERS)


def execute(executor: Executor, statement: Select[Any]) -> Result[*tuple[Any, ...]]:
    """Run what came of a query.

    Raises:
        QueryError: The database refuses it, as with a number that is out of range.
    """
    try:
        return executor.execute(statement)
    except (DataError, ProgrammingError, OperationalError) as error:
        if not _is_about_query(error):
            raise
        reason = str(error.orig).partition("\n")[0]
        raise QueryError(f"{REFUSED}{reason}") from error


def _is_about_query(error: DBAPIError) -> bool:
    """Whether the query is to blame, as for its size, and not the state of the database."""
    if not isinstance(error, OperationalError):
        return True
    too_complex = str(getattr(error.orig, "pgcode", None) or "").startswith("54")
    return too_complex or getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
