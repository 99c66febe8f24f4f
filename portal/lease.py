"""Who of several processes acts: the one that holds the lease in the database."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import metrics
from portal.model import Lease
from portal.moments import now
from servicekit.database import writing
from servicekit.owner import is_dead, new_owner


class Leadership:
    """One process's claim to a lease, renewed as long as it is asked about."""

    def __init__(self, database: Engine, name: str, duration: timedelta) -> None:
        self._database = database
        self._name = name
        self._duration = duration
        self._holder = new_owner()
        self._ask_at = 0.0
        self._held = False

    def held(self) -> bool:
        """Whether this process may act now; asks the database a few times in a lease's time."""
        if time.monotonic() >= self._ask_at:
            before, self._held = self._held, self._claim()
            if before and not self._held:
                metrics.LOST_LEASES.labels(self._name).inc()
            part = 4 if self._held else 8
            self._ask_at = time.monotonic() + self._duration.total_seconds() / part
        return self._held

    def release(self) -> None:
        """Let another process act at once."""
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(
                delete(Lease).where(Lease.name == self._name, Lease.holder == self._holder)
            )
        self._held = False
        self._ask_at = 0.0

    def _claim(self) -> bool:
        with Session(writing(self._database)) as transaction, transaction.begin():
            query = select(Lease).where(Lease.name == self._name).with_for_update()
            lease = transaction.scalar(query)
            if lease is None:
                return self._insert(transaction)
            if lease.holder != self._holder and lease.until > now() and not is_dead(lease.holder):
                return False
            lease.holder = self._holder
            lease.until = now() + self._duration
            return True

    def _insert(self, transaction: Session) -> bool:
        try:
            with transaction.begin_nested():
                until = now() + self._duration
                transaction.add(Lease(name=self._name, holder=self._holder, until=until))
        except IntegrityError:
            return False
        return True
