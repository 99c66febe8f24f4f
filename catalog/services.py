"""What a front works with, and the operations as a front calls them: each one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from catalog import call_log, entities, instances, search
from catalog.auth import sessions
from catalog.auth.login import Door
from catalog.authz.caller import Caller
from catalog.authz.rules import Access, Rights, stored_rules
from catalog.call_log import INFO, READ, SESSION, WRITE
from catalog.items import Change, Creation, Item
from catalog.model import UserSession
from catalog.query.include import Instance
from catalog.query.schema import Entity
from catalog.settings import CatalogSettings
from catalog.transactions import Transactions
from servicekit.logs import set_user

_RULES_OF_SESSION = stored_rules(UserSession.user_name, UserSession.__table__).scalar_subquery()


@dataclass(frozen=True)
class Reader:
    """Reads as one user in one transaction, which must last while what it gives is iterated."""

    connection: Connection
    caller: Caller
    max_entities: int

    def search(self, query: str) -> Iterator[str]:
        """The rows of a query as the text of JSON, in pieces."""
        call_log.note(READ, "search", query=query)
        return search.search(self.connection, self.caller, query, max_entities=self.max_entities)

    def get(self, query: str, id: int) -> str:
        """One entity by id as the text of JSON."""
        call_log.note(READ, "get", query=query, entityId=id)
        return search.get(self.connection, self.caller, query, id, max_entities=self.max_entities)

    def search_each(
        self, queries: Mapping[str, str], ids: Sequence[int]
    ) -> dict[str, dict[str, Any]]:
        """The values of each query for each id."""
        call_log.note(READ, "searchEach", query="; ".join(queries.values()))
        return search.search_each(self.connection, self.caller, queries, ids)

    def pages(self, query: str) -> instances.Pages:
        """The rows of a query as they were found."""
        call_log.note(READ, "search", query=query)
        return instances.pages(self.connection, self.caller, query, max_entities=self.max_entities)

    def find(self, query: str, id: int) -> Instance:
        """One entity by id as it was found."""
        call_log.note(READ, "get", query=query, entityId=id)
        return instances.find(
            self.connection, self.caller, query, id, max_entities=self.max_entities
        )

    def allows(self, access: Access, entity: Entity, id: int) -> bool:
        """Whether the rules allow an access to an entity, those that hang on it aside."""
        call_log.note(INFO, "isAccessAllowed", entityName=entity.name, entityId=id)
        return Rights(self.connection, self.caller).allows(access, entity.name, id)


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
        with self.transactions.reading() as connection:
            user_name, _ = sessions.status(connection, session_id)
            return self._caller(user_name)

    def _caller(self, user_name: str, stored_rules: str | None = None) -> Caller:
        set_user(user_name)
        call_log.told(userName=user_name)
        return Caller(user_name, user_name in self.settings.root_users, stored_rules)

    def session_status(self, session_id: str | None) -> tuple[str, timedelta]:
        """The full name of a session's user, and how long the session lasts."""
        with self.transactions.reading() as connection:
            user_name, left = sessions.status(connection, session_id)
        call_log.note(INFO, "getSession", userName=user_name)
        return user_name, left

    def refresh(self, session_id: str | None) -> None:
        """Let a session last its full lifetime again."""
        call_log.note(SESSION, "refresh")
        with self.transactions.writing() as connection:
            sessions.refresh(connection, session_id, self.lifetime)

    def logout(self, session_id: str | None) -> None:
        """End a session."""
        call_log.note(SESSION, "logout")
        with self.transactions.writing() as connection:
            sessions.close(connection, session_id)

    def is_logged_in(self, user_name: str) -> bool:
        """Whether a user has a session."""
        call_log.note(INFO, "isLoggedIn", userName=user_name)
        with self.transactions.reading() as connection:
            return sessions.is_logged_in(connection, user_name)

    @contextmanager
    def reading(self, session_id: str | None) -> Iterator[Reader]:
        """What a session's user reads with; all in one transaction, the look at the session too.

        Raises:
            NotAuthenticatedError: There is no such session, or it has ended.
        """
        with self.transactions.reading() as connection:
            user_name, rules = sessions.user_with(connection, session_id, _RULES_OF_SESSION)
            caller = self._caller(user_name, rules)
            yield Reader(connection, caller, self.settings.max_entities)

    def write(self, session_id: str | None, items: Sequence[Item]) -> list[int]:
        """Create and change entities as a session's user; the ids of the new ones.

        Raises:
            NotAuthenticatedError: There is no such session, or it has ended.
        """
        if self.transactions.writers_wait:
            self.caller(session_id)
        try:
            with self.transactions.writing() as connection:
                user_name, rules = sessions.user_with(connection, session_id, _RULES_OF_SESSION)
                ids = entities.write(connection, self._caller(user_name, rules), items, is_all=True)
        except entities.RefusedError as refused:
            with self.transactions.reading() as connection:
                raise refused.explained(connection) from refused
        _wrote("write", [one for item in items for one in (*item.changes, item.creation) if one])
        return ids

    def create_beans(self, caller: Caller, creations: Sequence[Creation]) -> list[int]:
        """Create entities with their children, as SOAP does; the ids of those that are given."""
        with self.transactions.writing() as connection:
            ids = entities.create_beans(connection, caller, creations)
        _wrote("create", creations)
        return ids

    def update_bean(self, caller: Caller, change: Change) -> None:
        """Give an entity new values, as SOAP does."""
        call_log.note(WRITE, "update", entityName=change.entity.name, entityId=change.id)
        with self.transactions.writing() as connection:
            entities.update_bean(connection, caller, change)

    def may_create(self, caller: Caller, creation: Creation) -> bool:
        """Whether the rules allow to create an entity; nothing is stored."""
        call_log.note(INFO, "isAccessAllowed", entityName=creation.entity.name)
        with self.transactions.writing() as connection:
            return entities.may_create(connection, caller, creation)

    def delete(self, caller: Caller, targets: Sequence[tuple[Entity, int]]) -> None:
        """Delete entities with all that hangs on them."""
        with self.transactions.writing() as connection:
            entities.remove(connection, caller, targets)
        for entity, id in targets[:1]:
            call_log.note(WRITE, "delete", entityName=entity.name, entityId=id)


def _wrote(operation: str, written: Sequence[Change | Creation]) -> None:
    """Tell the call log of the first that was written."""
    for one in written[:1]:
        call_log.note(WRITE, operation, entityName=one.entity.name, entityId=one.id)
