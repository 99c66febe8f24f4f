"""Transactions of one call: for reading, which wait for nobody, and for writing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, InterfaceError, OperationalError

from ijp.errors import BadRequestError, UnavailableError
from servicekit import database

log = logging.getLogger(__name__)


class Transactions:
    """The transactions of a database; each is of one call, and over with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = database.writing(engine)
        self._reading = engine
        if engine.dialect.name == "postgresql":
            # the statements of one call see the same state, and cannot write by mistake
            self._reading = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

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
        log.error("the database failed: %s", error.orig)
        raise UnavailableError("the database does not answer now; please try again") from error
