"""Sessions: who has logged in, for how long; kept in the database, without their ids."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from catalog.model import UserSession
from ijp.errors import NotAuthenticatedError

REVIVAL = timedelta(hours=1)
"""How long after its end a session can still be refreshed."""

_FIND = select(UserSession.user_name, UserSession.expires).where(
    UserSession.id_hash == bindparam("id_hash")
)


def open_session(connection: Connection, user_name: str, lifetime: timedelta) -> str:
    """Begin a session and give its id."""
    session_id = str(uuid.uuid4())
    expires = datetime.now(UTC) + lifetime
    values = {"id_hash": _hash(session_id), "user_name": user_name, "expires": expires}
    connection.execute(insert(UserSession), values)
    return session_id


def purge(connection: Connection) -> None:
    """Forget the sessions that ended too long ago to be refreshed."""
    ended = UserSession.expires < datetime.now(UTC) - REVIVAL
    connection.execute(delete(UserSession).where(ended))


def end_all(connection: Connection, user_name: str) -> int:
    """End every session of a user; gives how many there were."""
    statement = delete(UserSession).where(UserSession.user_name == user_name)
    return connection.execute(statement).rowcount


def status(connection: Connection, session_id: str | None) -> tuple[str, timedelta]:
    """The full name of a session's user, and how long the session lasts if nobody refreshes it.

    Raises:
        NotAuthenticatedError: There is no such session, or it has ended.
    """
    user_name, expires = _find(connection, session_id)
    return user_name, _left(expires, session_id)


def user_with(
    connection: Connection, session_id: str | None, also: ScalarSelect[str]
) -> tuple[str, str]:
    """The full name of a session's user, and something else about the user, in one statement.

    Args:
        also: Asked of the session's row, with its ``user_name``.

    Raises:
        NotAuthenticatedError: There is no such session, or it has ended.
    """
    user_name, expires, more = _find(connection, session_id, _find_with(also))
    _left(expires, session_id)
    return user_name, more or ""


@cache
def _find_with(also: ScalarSelect[str]) -> Select[Any]:
    return _FIND.add_columns(also)


def _left(expires: datetime, session_id: str | None) -> timedelta:
    left = expires - datetime.now(UTC)
    if left <= timedelta(0):
        raise NotAuthenticatedError(f"Session id:{session_id} has expired")
    return left


def refresh(connection: Connection, session_id: str | None, lifetime: timedelta) -> None:
    """Let a session last its full lifetime again, even if it ended a short while ago.

    Raises:
        NotAuthenticatedError: There is no such session, or it ended too long ago.
    """
    _, expires = _find(connection, session_id)
    now = datetime.now(UTC)
    if expires < now - REVIVAL:
        raise NotAuthenticatedError(f"Session id:{session_id} has expired")
    connection.execute(update(UserSession).where(_this(session_id)).values(expires=now + lifetime))


def close(connection: Connection, session_id: str | None) -> None:
    """End a session, even one that has expired.

    Raises:
        NotAuthenticatedError: There is no such session.
    """
    _find(connection, session_id)
    connection.execute(delete(UserSession).where(_this(session_id)))


def is_logged_in(connection: Connection, user_name: str) -> bool:
    """Whether a user has a session that has not ended."""
    statement = select(UserSession.id_hash).where(
        UserSession.user_name == user_name, UserSession.expires > datetime.now(UTC)
    )
    return connection.execute(statement.limit(1)).first() is not None


def _find(
    connection: Connection, session_id: str | None, statement: Select[Any] | None = None
) -> Row[*tuple[Any, ...]]:
    if not session_id:
        raise NotAuthenticatedError("Session Id cannot be null or empty.")
    found = connection.execute(
        _FIND if statement is None else statement, {"id_hash": _hash(session_id)}
    ).first()
    if found is None:
        raise NotAuthenticatedError(f"Unable to find user by sessionid: {session_id}")
    return found


def _this(session_id: str | None) -> ColumnElement[bool]:
    return UserSession.id_hash == _hash(session_id or "")


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
