"""Users whose password hashes are in the catalog's database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select, update

from catalog.auth import passwords, sessions
from catalog.auth.authenticator import (
    USERNAME_AND_PASSWORD,
    Authenticator,
    Surroundings,
    no_match,
    username_and_password,
)
from catalog.model import Password
from ijp.errors import BadRequestError, ConflictError, NotFoundError

MAXIMUM_LENGTH = 200


class DbAuthenticator(Authenticator):
    """Checks a username and password against the table that ``ijpd user`` fills."""

    friendly = "Facility account"
    keys = USERNAME_AND_PASSWORD

    def __init__(self, surroundings: Surroundings) -> None:
        self._transactions = surroundings.transactions

    def authenticate(self, credentials: Mapping[str, str]) -> str:
        name, password = username_and_password(credentials)
        with self._transactions.reading() as connection:
            statement = select(Password.hash).where(
                Password.user_name == name, Password.is_disabled.is_(False)
            )
            found = connection.scalar(statement)
        if not passwords.matches(found or passwords.of_nobody(), password) or found is None:
            raise no_match()
        return f"db/{name}"


def add(connection: Connection, name: str, password: str) -> None:
    """Add a user.

    Raises:
        BadRequestError: The name or the password will not do.
        ConflictError: There is a user of this name, perhaps a disabled one.
    """
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= MAXIMUM_LENGTH:
        raise BadRequestError(f"{name!r} will not do as a user name")
    if connection.scalar(select(Password.user_name).where(Password.user_name == name)) is not None:
        raise ConflictError(f"there is a user {name} already")
    values = {"user_name": name, "hash": passwords.hashed(password, name)}
    connection.execute(insert(Password), values)


def set_password(connection: Connection, name: str, password: str) -> None:
    """Give a user another password and end the user's sessions; who is disabled stays so.

    Raises:
        BadRequestError: The password will not do.
        NotFoundError: There is no such user.
    """
    _change(connection, name, hash=passwords.hashed(password, name))
    sessions.end_all(connection, f"db/{name}")


def disable(connection: Connection, name: str) -> None:
    """End a user's sessions and let nobody log in.

    Raises:
        NotFoundError: There is no such user.
    """
    _change(connection, name, is_disabled=True)
    sessions.end_all(connection, f"db/{name}")


def enable(connection: Connection, name: str) -> None:
    """Let a disabled user log in again, with the password that there was.

    Raises:
        NotFoundError: There is no such user.
        BadRequestError: There is no password.
    """
    _change(connection, name, is_disabled=False)
    if connection.scalar(select(Password.hash).where(Password.user_name == name)) is None:
        raise BadRequestError(f"{name} has no password; give one with `ijpd user passwd` first")


def users(connection: Connection) -> list[tuple[str, bool]]:
    """Every user's name, in order, and whether the user is disabled."""
    statement = select(Password.user_name, Password.is_disabled).order_by(Password.user_name)
    return [(row.user_name, row.is_disabled) for row in connection.execute(statement)]


def _change(connection: Connection, name: str, **values: object) -> None:
    statement = update(Password).where(Password.user_name == name).values(**values)
    if not connection.execute(statement).rowcount:
        raise NotFoundError(f"there is no user {name}")
