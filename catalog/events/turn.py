"""Which of several processes delivers to a webhook."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, text


@contextmanager
def turn(engine: Engine, webhook_name: str) -> Iterator[Connection | None]:
    """A connection for whoever delivers to a webhook, None if another process does.

    The turn ends with the process, however that ends, and with the connection: who lost it can
    note nothing as delivered.
    """
    if engine.dialect.name == "sqlite":
        with _locked(Path(f"{engine.url.database}.{webhook_name}.lock")) as mine:
            if not mine:
                yield None
                return
            with engine.connect() as connection:
                yield connection
        return
    with engine.connect() as connection:
        key = {"key": f"ijp webhook {webhook_name}"}
        with connection.begin():
            statement = text("SELECT pg_try_advisory_lock(hashtext('ijp catalog'), hashtext(:key))")
            mine = bool(connection.scalar(statement, key))
        try:
            yield connection if mine else None
        finally:
            if mine:
                # The server ends the lock with the session, which is not used again.
                connection.invalidate()


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    with path.open("a") as file:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
            return
        yield False
