"""Signs of life: who has an upload in hand says from time to time that it still lives.

What a process that was killed had in hand is known by its signs having ended.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from datetime import datetime, timedelta

from sqlalchemy import Engine, Select, bindparam, delete, select, text
from sqlalchemy.exc import SQLAlchemyError

from datastore.clock import Clock
from datastore.model import LiveOwner, UtcDateTime
from servicekit.database import writing
from servicekit.owner import new_owner

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""How long one sign of life is good."""

_FORGOTTEN_AFTER = timedelta(days=1)
_SIGN = text(
    "INSERT INTO live_owner (name, until) VALUES (:name, :until) "
    "ON CONFLICT (name) DO UPDATE SET until = excluded.until"
).bindparams(bindparam("until", type_=UtcDateTime()))


class Alive:
    """The signs of life of one owner: a process, or a part of one.

    Attributes:
        name: The owner's, under which it has things in hand.
        now: The time of all owners.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = new_owner()
        self._engine = engine
        self.now = Clock(engine).now
        self._keeper: threading.Thread | None = None
        self._starting = threading.Lock()

    def keep(self) -> None:
        """Give signs from now on, in a thread that ends with this or with the process.

        When this gives back the first one is there.
        """
        if self._keeper is not None:
            return
        with self._starting:
            if self._keeper is None:
                self.sign()
                target, own = _keep, weakref.ref(self)
                self._keeper = threading.Thread(target=target, args=(own,), daemon=True)
                self._keeper.start()

    def sign(self) -> None:
        """Give one sign."""
        now = self.now()
        with writing(self._engine).begin() as connection:
            connection.execute(_SIGN, {"name": self.name, "until": now + LEASE})
            connection.execute(delete(LiveOwner).where(LiveOwner.until < now - _FORGOTTEN_AFTER))


def _keep(own: weakref.ref[Alive]) -> None:
    """Give signs as long as there is somebody to give them."""
    while True:
        time.sleep(LEASE.total_seconds() / 4)
        alive = own()
        if alive is None:
            return
        try:
            alive.sign()
        except SQLAlchemyError as error:
            log.warning("no sign of life could be given; it is tried again: %s", error)
        del alive


def living(moment: datetime) -> Select[str]:
    """The owners whose last sign of life was still good at a moment."""
    return select(LiveOwner.name).where(LiveOwner.until > moment)
