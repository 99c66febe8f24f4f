"""Space that is kept free for uploads while they arrive, so that two do not get the same bytes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine, delete, func, insert, select

from datastore.alive import Alive, living
from datastore.model import ReservedSpace
from servicekit.database import writing


class Reservations:
    """Who keeps how much; what a killed process kept is free again after a minute."""

    def __init__(self, engine: Engine, alive: Alive) -> None:
        self._engine = engine
        self._alive = alive

    def add(self, user_name: str, investigation_id: int, size: int) -> int:
        """Keep bytes for a user in an investigation; gives the id, higher than all before it."""
        self._alive.keep()
        row = {"user_name": user_name, "investigation_id": investigation_id, "bytes": size}
        added = insert(ReservedSpace).values(**row, owner=self._alive.name)
        now = self._alive.now()
        with writing(self._engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                # ids are given one after the other, and what has a lower one is there for all
                turn = func.pg_advisory_xact_lock(func.hashtext("ijp reserved space"))
                connection.execute(select(turn))
            gone = ReservedSpace.owner.not_in(living(now))
            connection.execute(delete(ReservedSpace).where(gone))
            return int(connection.scalar(added.returning(ReservedSpace.id)) or 0)

    def before(self, id: int, *, user_name: str = "", investigation_id: int = 0) -> int:
        """Bytes that are kept for a user, or in an investigation, by whoever came before."""
        chosen = (
            ReservedSpace.user_name == user_name
            if user_name
            else ReservedSpace.investigation_id == investigation_id
        )
        query = select(func.coalesce(func.sum(ReservedSpace.bytes), 0)).where(
            chosen, ReservedSpace.id < id, ReservedSpace.owner.in_(living(self._alive.now()))
        )
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def free(self, ids: Collection[int]) -> None:
        """Keep them no more."""
        with writing(self._engine).begin() as connection:
            connection.execute(delete(ReservedSpace).where(ReservedSpace.id.in_(ids)))
