"""What a front works with, and the operations as a front calls them: each one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from catalog import entities, search
from catalog.auth import sessions
from catalog.auth.login import Door
from catalog.authz.caller import Caller
from catalog.items import Item
from catalog.query.schema import Entity
from catalog.settings import CatalogSettings
from catalog.transactions import Transactions
from servicekit.logs import set_user


@dataclass(frozen=True)
class Services:
    """The catalog, as its fronts see it. ``session_id`` None means that none was sent."""

    settings: CatalogSettings
    transactions: Transactions
    door: Door

    @property
    def lifetime(self) -> timedelta:
        """How long a session lasts."""
        return timedelta(minutes=self.settings.lifetime_minutes)

    def caller(self, session_id: str | None) -> Caller:
        """Whose session this is.

        Raises:
            NotAuthenticatedError: There is no such session, or it has ended.
        """
        user_name, _ = self.session_status(session_id)
        set_user(user_name)
        return Caller(user_name, is_root=user_name in self.settings.root_users)

    def session_status(self, session_id: str | None) -> tuple[str, timedelta]:
        """The full name of a session's user, and how long the session lasts."""
        with self.transactions.reading() as connection:
            return sessions.status(connection, session_id)

    def refresh(self, session_id: str | None) -> None:
        """Let a session last its full lifetime again."""
        with self.transactions.writing() as connection:
            sessions.refresh(connection, session_id, self.lifetime)

    def logout(self, session_id: str | None) -> None:
        """End a session."""
        with self.transactions.writing() as connection:
            sessions.close(connection, session_id)

    def is_logged_in(self, user_name: str) -> bool:
        """Whether a user has a session."""
        with self.transactions.reading() as connection:
            return sessions.is_logged_in(connection, user_name)

    def search(self, caller: Caller, query: str) -> list[Any]:
        """The rows of a query, as JSON has them."""
        with self.transactions.reading() as connection:
            return search.search(connection, caller, query, max_entities=self.settings.max_entities)

    def get(self, caller: Caller, query: str, id: int) -> dict[str, Any]:
        """One entity by id, as JSON has it."""
        with self.transactions.reading() as connection:
            return search.get(
                connection, caller, query, id, max_entities=self.settings.max_entities
            )

    def search_each(
        self, caller: Caller, queries: Mapping[str, str], ids: Sequence[int]
    ) -> dict[str, dict[str, Any]]:
        """The values of each query for each id."""
        with self.transactions.reading() as connection:
            return search.search_each(connection, caller, queries, ids)

    def write(self, caller: Caller, items: Sequence[Item]) -> list[int]:
        """Create and change entities; the ids of the new ones."""
        with self.transactions.writing() as connection:
            return entities.write(connection, caller, items)

    def delete(self, caller: Caller, targets: Sequence[tuple[Entity, int]]) -> None:
        """Delete entities with all that hangs on them."""
        with self.transactions.writing() as connection:
            entities.remove(connection, caller, targets)
