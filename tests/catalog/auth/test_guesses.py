"""Whoever guesses passwords has to wait, longer each time; a user who mistypes has not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from catalog.auth import guesses
from catalog.model import FailedLogin
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError


@pytest.fixture
def connection(engine_of):
    with Transactions(engine_of("catalog")).writing() as connection:
        yield connection


def _fail(connection, times: int, account: str = "db/ana", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        guesses.failed(connection, account, address)


def test_the_first_failures_cost_no_time(connection):
    _fail(connection, guesses.FREE_FAILURES - 1)
    guesses.check(connection, "db/ana", "10.0.0.1")


def test_then_one_waits_and_is_told_how_long(connection):
    _fail(connection, guesses.FREE_FAILURES + 4)
    with pytest.raises(NotAuthenticatedError) as refusal:
        guesses.check(connection, "db/ana", "10.0.0.1")
    assert refusal.value.message == (
        "too many failed log-ins as db/ana: please wait 16 seconds and try again"
    )


def test_other_accounts_and_addresses_are_not_affected(connection):
    _fail(connection, 20)
    guesses.check(connection, "db/bob", "10.0.0.1")
    guesses.check(connection, "db/ana", "10.0.0.2")


def test_after_the_wait_one_may_try_again(connection):
    _fail(connection, guesses.FREE_FAILURES + 4)
    connection.execute(
        update(FailedLogin).values(last_failure=datetime.now(UTC) - timedelta(seconds=17))
    )
    guesses.check(connection, "db/ana", "10.0.0.1")


def test_the_wait_doubles_up_to_a_limit():
    free = guesses.FREE_FAILURES
    waits = [guesses.wait_after(number).total_seconds() for number in range(free - 1, free + 4)]
    assert waits == [0, 1, 2, 4, 8]
    assert guesses.wait_after(10_000) == guesses.LONGEST_WAIT


def test_a_success_forgets_the_failures(connection):
    _fail(connection, 20)
    guesses.succeeded(connection, "db/ana", "10.0.0.1")
    guesses.check(connection, "db/ana", "10.0.0.1")
    assert connection.execute(select(FailedLogin.failures)).all() == []


def test_failures_of_days_ago_are_forgotten(connection):
    _fail(connection, 20)
    connection.execute(
        update(FailedLogin).values(last_failure=datetime.now(UTC) - timedelta(days=2))
    )
    _fail(connection, 1, account="db/bob")
    assert connection.execute(select(FailedLogin.account)).scalars().all() == ["db/bob"]


def test_absurd_names_are_counted_too(connection):
    _fail(connection, 20, account="db/" + "x" * 5000, address="a" * 500)
    with pytest.raises(NotAuthenticatedError):
        guesses.check(connection, "db/" + "x" * 5000, "a" * 500)
