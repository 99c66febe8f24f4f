"""Whose turn it is: everybody's first request comes before anybody's second one.

Each thing that is queued gets a number, and what is due is done in the order of these. The numbers
of one asker go up by one from the greatest of his that is still queued, but from no less than
where the queue is now. So who asks for ten thousand datasets at once does not keep another one
waiting who asks for one afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from datastore.tiers.model import TierItem


class Turns:
    """The numbers for what one asker asks for in one transaction."""

    def __init__(self, connection: Connection, asker: str, now: datetime) -> None:
        self.asker = asker
        self._last = max(_reached(connection, now), _last_of(connection, asker))

    def comes_sooner(self, row: Row[Any], values: Mapping[str, Any]) -> bool:
        """Whether a thing needs a number: it is queued now, or was with a later one by another."""
        if row.wanted is None:
            return values.get("wanted") is not None
        return self._last + 1 < int(row.turn)

    def take(self) -> dict[str, object]:
        """The columns of a thing that is queued now."""
        self._last += 1
        return {"asker": self.asker, "turn": self._last}


def _reached(connection: Connection, now: datetime) -> int:
    """Where the queue is: at the latest that has begun, else at the first that may begin."""
    running = select(func.max(TierItem.turn)).where(TierItem.running.is_not(None))
    waiting = select(func.min(TierItem.turn)).where(
        TierItem.wanted.is_not(None), TierItem.due <= now
    )
    return int(connection.scalar(running) or connection.scalar(waiting) or 0)


def _last_of(connection: Connection, asker: str) -> int:
    queued = TierItem.wanted.is_not(None)
    query = select(func.max(TierItem.turn)).where(queued, TierItem.asker == asker)
    return int(connection.scalar(query) or 0)
