"""Logging in: from credentials to a session."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

from catalog import call_log
from catalog.auth import guesses, sessions
from catalog.auth.authenticator import Authenticator
from catalog.auth.guesses import Attempt
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError

log = logging.getLogger(__name__)


class Door:
    """The authenticators of a catalog, and what leads through them."""

    def __init__(
        self,
        transactions: Transactions,
        authenticators: Mapping[str, Authenticator],
        lifetime: timedelta,
    ) -> None:
        self.authenticators = authenticators
        self._transactions = transactions
        self._lifetime = lifetime

    def login(self, name: str, credentials: Mapping[str, str], address: str) -> str:
        """Log in with one of the authenticators.

        Args:
            address: Where the request really comes from; by it and the account failures are
                counted.

        Returns:
            The id of the new session.

        Raises:
            NotAuthenticatedError: The authenticator refused, or there is none of this name, or
                there were too many failures.
        """
        if (authenticator := self.authenticators.get(name)) is None:
            raise NotAuthenticatedError(f"Authenticator mnemonic {name} not recognised")
        attempt = _attempt(name, authenticator, credentials, address)
        if attempt:
            self._let_try(attempt)
        try:
            user_name = authenticator.authenticate(credentials)
        except NotAuthenticatedError:
            if attempt:
                log.warning("log-in as %r from %s failed", attempt.account, address)
                with self._transactions.writing() as connection:
                    guesses.failed(connection, attempt)
            raise
        with self._transactions.writing() as connection:
            if attempt:
                guesses.succeeded(connection, attempt)
            session_id = sessions.open_session(connection, user_name, self._lifetime)
        log.info("%s logged in from %s", user_name, address)
        call_log.note(call_log.SESSION, "login", userName=user_name)
        return session_id

    def _let_try(self, attempt: Attempt) -> None:
        with self._transactions.reading() as connection:
            waited_since = guesses.check(connection, attempt)
        if waited_since:
            with self._transactions.writing() as connection:
                guesses.take_turn(connection, attempt, waited_since)


def purge(transactions: Transactions) -> None:
    """Forget sessions that cannot be revived any more and failures that count no more."""
    with transactions.writing() as connection:
        sessions.purge(connection)
        guesses.forget(connection)


def _attempt(
    name: str, authenticator: Authenticator, credentials: Mapping[str, str], address: str
) -> Attempt | None:
    """What to count; nothing where nothing can be guessed."""
    if not authenticator.keys:
        return None
    asked = any(key.name == "username" for key in authenticator.keys)
    return Attempt.of(name, credentials.get("username", "") if asked else None, address)
