"""Engines: what becomes of connections that the database has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from servicekit import database


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    """An engine with one connection at rest."""
    made = database.engine_for(postgresql_url, "catalog")
    _ask(made)
    yield made
    made.dispose()


def _ask(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def _end_connections(url: str) -> None:
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        assert True in ended.scalars().all()
    admin.dispose()


def test_connection_that_was_ended_while_it_rested_is_made_anew(
    engine: Engine, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RESTED_SECONDS", 0.0)
    before = _ask(engine)
    _end_connections(postgresql_url)
    assert _ask(engine) != before


def test_connection_that_was_ended_just_after_its_use_fails_only_once(
    engine: Engine, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RESTED_SECONDS", 3600.0)
    before = _ask(engine)
    _end_connections(postgresql_url)
    with pytest.raises(OperationalError):
        _ask(engine)
    assert _ask(engine) != before


def test_connection_that_did_not_rest_is_used_again_without_asking(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RESTED_SECONDS", 3600.0)
    asked: list[object] = []
    monkeypatch.setattr(engine.dialect, "do_ping", asked.append)
    assert _ask(engine) == _ask(engine)
    assert not asked


def test_one_statement_is_committed_with_itself(engine: Engine) -> None:
    """No BEGIN and COMMIT go to the server, and the next transaction is one again."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE public.at_once (id int PRIMARY KEY)"))
    with database.at_once(engine) as connection:
        connection.execute(text("INSERT INTO public.at_once VALUES (1)"))
        connection.rollback()
    with suppress(IntegrityError), database.at_once(engine) as connection:
        connection.execute(text("INSERT INTO public.at_once VALUES (1)"))
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO public.at_once VALUES (2)"))
        connection.rollback()
        assert connection.execute(text("SELECT id FROM public.at_once")).scalars().all() == [1]


def test_a_commit_that_does_not_wait_is_seen_by_others(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE public.unhurried (id int)"))
    with engine.begin() as connection:
        database.commit_unhurriedly(connection)
        setting = connection.scalar(text("SHOW synchronous_commit"))
        connection.execute(text("INSERT INTO public.unhurried VALUES (1)"))
    with engine.connect() as connection:
        assert (setting, connection.scalar(text("SHOW synchronous_commit"))) == ("off", "on")
        assert connection.scalar(text("SELECT id FROM public.unhurried")) == 1
