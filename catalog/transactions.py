"""Transactions of one call: for reading, which wait for nobody, and for writing."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError

from catalog.events import outbox
from ijp.errors import BadRequestError, PortalError, UnavailableError
from servicekit import database

log = logging.getLogger(__name__)

# PostgreSQL's manual, appendix A: class 54, program limit exceeded; 53100, disk full
_PG_TOO_COMPLEX = "54"
_PG_DISK_FULL = "53100"

# what SQLite says of the limits of its manual ("Implementation Limits"); it has no code for them
_SQLITE_TOO_COMPLEX = re.compile("too (large|many|long|deep)|at most|stack overflow")


class Transactions:
    """The transactions of a database; each is of one call, and over with it."""

    def __init__(self, engine: Engine, notified: Mapping[str, str] | None = None) -> None:
        """``notified`` are the changes that webhooks are told of: see ``events.outbox``."""
        self.engine = engine
        self._writing = outbox.noting(database.writing(engine), notified or {})
        self._reading = engine
        if engine.dialect.name == "postgresql":
            # the statements of one call see the same state, and cannot write by mistake
            self._reading = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @property
    def writers_wait(self) -> bool:
        """Whether whoever begins to write keeps all other writers waiting, as with SQLite."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; it takes no lock that keeps writers waiting.

        Raises:
            UnavailableError: The database does not answer.
        """
        with _faults(), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, or rolled back by an exception.

        Raises:
            UnavailableError: The database does not answer, or others held it for too long.
        """
        with _faults(), self._writing.begin() as connection:
            yield connection


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        log.warning("the database refused a value: %s", error.orig)
        raise BadRequestError("a value is out of the range that the database can hold") from error
    except (OperationalError, InterfaceError) as error:
        raise _fault(error) from error


def _fault(error: DBAPIError) -> PortalError:
    """What a failure of the database means for the user."""
    number = getattr(error.orig, "sqlite_errorcode", None)
    code = getattr(error.orig, "pgcode", None) or ""
    if code.startswith(_PG_TOO_COMPLEX) or (
        number == sqlite3.SQLITE_ERROR and _SQLITE_TOO_COMPLEX.search(str(error.orig))
    ):
        log.warning("too complex for the database: %s", error.orig)
        return BadRequestError("this is too complex or too long for the database")
    log.error("the database failed: %s", error.orig)
    if number == sqlite3.SQLITE_FULL or code == _PG_DISK_FULL:
        return UnavailableError("the catalog's disk is full: nothing can be stored now")
    return UnavailableError("the database does not answer now; please try again")
