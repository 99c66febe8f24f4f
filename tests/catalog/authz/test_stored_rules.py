"""A user's rules, read alone or with the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, literal

from catalog.auth import sessions
from catalog.authz.rules import stored_rules
from catalog.model import Grouping, PublicStep, Rule, User, UserGroup, UserSession
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError

STAMPS = {
    "create_id": "x",
    "create_time": datetime(2026, 1, 1, tzinfo=UTC),
    "mod_id": "x",
    "mod_time": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.fixture
def connection(engine_of):
    with Transactions(engine_of("catalog")).writing() as connection:
        for model, rows in (
            (User, [{"id": 1, "name": "db/ana"}, {"id": 2, "name": "db/bo"}]),
            (Grouping, [{"id": 1, "name": "g1"}, {"id": 2, "name": "g2"}]),
            (UserGroup, [{"user_id": 1, "grouping_id": 1}, {"user_id": 2, "grouping_id": 2}]),
            (PublicStep, [{"origin": "Dataset", "field": "type"}]),
            (
                Rule,
                [
                    {"what": "Facility", "crud_flags": "R", "grouping_id": None},
                    {"what": "Dataset", "crud_flags": "CRUD", "grouping_id": 1},
                    {"what": "Sample", "crud_flags": "RU", "grouping_id": 2},
                ],
            ),
        ):
            connection.execute(insert(model), [{**STAMPS, **row} for row in rows])
        yield connection


@pytest.mark.parametrize(
    ("user", "texts"),
    [
        ("db/ana", {"R Facility", "CRUD Dataset", "- Dataset type"}),
        ("db/bo", {"R Facility", "RU Sample", "- Dataset type"}),
        ("db/nobody", {"R Facility", "- Dataset type"}),
    ],
)
def test_rules_read_with_the_session_are_those_of_its_user(connection, user, texts):
    sessions.open_session(connection, "db/other", timedelta(hours=1))
    session_id = sessions.open_session(connection, user, timedelta(hours=1))
    of_session = stored_rules(UserSession.user_name, UserSession.__table__).scalar_subquery()
    name, stored = sessions.user_with(connection, session_id, of_session)
    assert name == user
    assert set(stored.split("\x1e")) == texts
    alone = connection.scalar(stored_rules(literal(user)))
    assert set(alone.split("\x1e")) == texts


def test_no_rules_are_an_empty_text(engine_of):
    with Transactions(engine_of("catalog")).writing() as connection:
        session_id = sessions.open_session(connection, "db/ana", timedelta(hours=1))
        of_session = stored_rules(UserSession.user_name, UserSession.__table__).scalar_subquery()
        assert sessions.user_with(connection, session_id, of_session) == ("db/ana", "")


def test_an_ended_session_gives_no_rules(connection):
    session_id = sessions.open_session(connection, "db/ana", timedelta(0))
    of_session = stored_rules(UserSession.user_name, UserSession.__table__).scalar_subquery()
    with pytest.raises(NotAuthenticatedError, match="has expired"):
        sessions.user_with(connection, session_id, of_session)
