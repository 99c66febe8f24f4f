"""Sessions last their time, survive a restart, and their ids are with the users alone."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from catalog.auth import sessions
from catalog.model import UserSession
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError

HOUR = timedelta(hours=1)


@pytest.fixture
def connection(engine_of):
    with Transactions(engine_of("catalog")).writing() as connection:
        yield connection


def _end(connection, ago: timedelta) -> None:
    connection.execute(update(UserSession).values(expires=datetime.now(UTC) - ago))


def test_a_session_tells_its_user_and_the_time_left(connection):
    session_id = sessions.open_session(connection, "db/ana", HOUR)
    assert str(uuid.UUID(session_id)) == session_id
    user_name, left = sessions.status(connection, session_id)
    assert user_name == "db/ana"
    assert HOUR - timedelta(seconds=10) < left <= HOUR


def test_the_database_does_not_hold_the_id(connection):
    session_id = sessions.open_session(connection, "db/ana", HOUR)
    assert session_id not in str(connection.execute(select(UserSession.__table__)).all())


@pytest.mark.parametrize("session_id", [None, ""])
def test_no_session_is_told_so(connection, session_id):
    with pytest.raises(NotAuthenticatedError, match=r"Session Id cannot be null or empty\."):
        sessions.status(connection, session_id)


@pytest.mark.parametrize("session_id", ["x", "' OR 1=1 --", "é\ud800", "x" * 100_000])
def test_an_unknown_session_is_refused(connection, session_id):
    for use in (sessions.status, sessions.close):
        with pytest.raises(NotAuthenticatedError) as refusal:
            use(connection, session_id)
        assert refusal.value.message == f"Unable to find user by sessionid: {session_id}"


def test_an_ended_session_can_be_refreshed_for_a_while_but_not_used(connection):
    session_id = sessions.open_session(connection, "db/ana", HOUR)
    _end(connection, timedelta(minutes=5))
    with pytest.raises(NotAuthenticatedError) as refusal:
        sessions.status(connection, session_id)
    assert refusal.value.message == f"Session id:{session_id} has expired"
    sessions.refresh(connection, session_id, HOUR)
    assert sessions.status(connection, session_id)[1] > timedelta(minutes=59)


def test_a_session_that_ended_long_ago_cannot_be_refreshed_and_is_forgotten(connection):
    session_id = sessions.open_session(connection, "db/ana", HOUR)
    _end(connection, sessions.REVIVAL + timedelta(minutes=1))
    with pytest.raises(NotAuthenticatedError, match="has expired"):
        sessions.refresh(connection, session_id, HOUR)
    sessions.open_session(connection, "db/bob", HOUR)
    sessions.purge(connection)
    users = connection.execute(select(UserSession.user_name)).scalars().all()
    assert users == ["db/bob"]


def test_an_ended_session_can_be_closed_and_is_then_unknown(connection):
    session_id = sessions.open_session(connection, "db/ana", HOUR)
    _end(connection, timedelta(minutes=5))
    sessions.close(connection, session_id)
    with pytest.raises(NotAuthenticatedError, match="Unable to find user by sessionid"):
        sessions.refresh(connection, session_id, HOUR)


def test_a_user_can_have_several_sessions(connection):
    first = sessions.open_session(connection, "db/ana", HOUR)
    second = sessions.open_session(connection, "db/ana", HOUR)
    sessions.close(connection, first)
    assert sessions.status(connection, second)[0] == "db/ana"
    assert sessions.is_logged_in(connection, "db/ana")
    sessions.close(connection, second)
    assert not sessions.is_logged_in(connection, "db/ana")


def test_a_session_that_can_be_revived_is_not_purged(connection):
    session_id = sessions.open_session(connection, "db/ana", HOUR)
    _end(connection, sessions.REVIVAL - timedelta(minutes=1))
    sessions.purge(connection)
    sessions.refresh(connection, session_id, HOUR)
    assert sessions.status(connection, session_id)[0] == "db/ana"


def test_all_sessions_of_a_user_are_ended_and_no_others(connection):
    mine = [sessions.open_session(connection, "db/ana", HOUR) for _ in range(3)]
    other = sessions.open_session(connection, "db/ana2", HOUR)
    assert sessions.end_all(connection, "db/ana") == 3
    for session_id in mine:
        with pytest.raises(NotAuthenticatedError):
            sessions.status(connection, session_id)
    assert sessions.status(connection, other)[0] == "db/ana2"
