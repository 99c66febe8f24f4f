"""Logging in: from credentials to a session."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from catalog.auth import guesses, sessions
from catalog.auth.authenticator import Authenticator
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
            address: Where the request came from; failures are counted by account and address.

        Returns:
            The id of the new session.

        Raises:
            NotAuthenticatedError: The authenticator refused, or there is none of this name, or
                there were too many failures.
        """
        if (authenticator := self.authenticators.get(name)) is None:
            raise NotAuthenticatedError(f"Authenticator mnemonic {name} not recognised")
        account = f"{name}/{credentials.get('username', '')}"
        counted = bool(authenticator.keys)
        if counted:
            with self._transactions.reading() as connection:
                guesses.check(connection, account, address)
        try:
            user_name = authenticator.authenticate(credentials)
        except NotAuthenticatedError:
            if counted:
                self._note_failure(account, address)
            raise
        with self._transactions.writing() as connection:
            if counted:
                guesses.succeeded(connection, account, address)
            session_id = sessions.open_session(connection, user_name, self._lifetime)
        log.info("%s logged in", user_name)
        return session_id

    def _note_failure(self, account: str, address: str) -> None:
        log.warning("log-in as %r from %s failed", account, address)
        try:
            with self._transactions.writing() as connection:
                guesses.failed(connection, account, address)
        except IntegrityError:
            # another failure of the same account came first: now there is a row to change
            with self._transactions.writing() as connection:
                guesses.failed(connection, account, address)
