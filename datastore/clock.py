"""The time by which all processes go: that of the database server, however their hosts' clocks are.

On SQLite it is that of the host, which is the same for all of them.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

_MEASURED_AGAIN_SECONDS = 30.0


class Clock:
    """Asks the server from time to time, and counts on from there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._measured: tuple[datetime, float] | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The moment, in UTC."""
        if self._engine.dialect.name != "postgresql":
            return datetime.now(UTC)
        with self._lock:
            if self._measured is None or self._age() > _MEASURED_AGAIN_SECONDS:
                self._measured = self._ask(), time.monotonic()
            return self._measured[0] + timedelta(seconds=self._age())

    def _age(self) -> float:
        return time.monotonic() - self._measured[1] if self._measured else 0.0

    def _ask(self) -> datetime:
        with self._engine.connect() as connection:
            told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return told.astimezone(UTC)
