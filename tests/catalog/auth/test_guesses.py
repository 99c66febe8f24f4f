"""Whoever guesses passwords has to wait; a user who mistypes, or is guessed at, has not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from catalog.auth import guesses
from catalog.auth.guesses import ACCOUNT, ADDRESS, ANY, Attempt
from catalog.model import LoginAttempts
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError


@pytest.fixture
def connection(engine_of):
    with Transactions(engine_of("catalog")).writing() as connection:
        yield connection


def _attempt(name: str | None = "ana", address: str = "10.0.0.1") -> Attempt:
    return Attempt.of("db", name, address)


def _fail(connection, times: int, attempt: Attempt | None = None) -> None:
    for _ in range(times):
        guesses.failed(connection, attempt or _attempt())


def _age(connection, by: timedelta) -> None:
    """Let time go by for what is in the table."""
    rows = connection.execute(select(LoginAttempts.__table__)).all()
    for row in rows:
        success = row.last_success and row.last_success - by
        connection.execute(
            update(LoginAttempts)
            .where(guesses._this((row.account, row.address)))
            .values(last_failure=row.last_failure - by, last_success=success)
        )


def _is_refused(connection, attempt: Attempt) -> bool:
    try:
        guesses.check(connection, attempt)
    except NotAuthenticatedError:
        return True
    return False


def test_the_first_failures_cost_no_time(connection):
    _fail(connection, guesses.FREE_FAILURES - 1)
    assert not _is_refused(connection, _attempt())


def test_then_one_waits_and_is_told_how_long(connection):
    _fail(connection, guesses.FREE_FAILURES + 4)
    with pytest.raises(NotAuthenticatedError) as refusal:
        guesses.check(connection, _attempt())
    assert refusal.value.message == (
        "too many failed log-ins as db/ana: please wait 16 seconds and try again"
    )


def test_other_accounts_and_addresses_are_not_affected(connection):
    _fail(connection, 20)
    assert not _is_refused(connection, _attempt("bob"))
    assert not _is_refused(connection, _attempt(address="10.0.0.2"))


def test_after_the_wait_one_may_try_again(connection):
    _fail(connection, guesses.FREE_FAILURES + 4)
    _age(connection, timedelta(seconds=17))
    assert not _is_refused(connection, _attempt())


def test_the_wait_doubles_up_to_a_limit():
    free = guesses.FREE_FAILURES
    waits = [guesses.wait_after(number).total_seconds() for number in range(free - 1, free + 4)]
    assert waits == [0, 1, 2, 4, 8]
    assert guesses.wait_after(10_000) == guesses.LONGEST_WAIT


def test_many_addresses_do_not_guess_faster_at_one_account(connection):
    for number in range(ACCOUNT.size):
        _fail(connection, 1, _attempt(address=f"10.0.1.{number}"))
    with pytest.raises(NotAuthenticatedError, match="as db/ana: please wait 300 seconds"):
        guesses.check(connection, _attempt(address="10.0.2.1"))
    assert not _is_refused(connection, _attempt("bob", "10.0.2.1"))
    _age(connection, ACCOUNT.refill)
    assert not _is_refused(connection, _attempt(address="10.0.2.1"))
    _fail(connection, 1, _attempt(address="10.0.2.1"))
    assert _is_refused(connection, _attempt(address="10.0.2.2"))


def test_one_address_does_not_try_every_account(connection):
    for number in range(ADDRESS.size):
        _fail(connection, 1, _attempt(f"user{number}"))
    with pytest.raises(NotAuthenticatedError, match=r"from 10\.0\.0\.1: please wait 60 seconds"):
        guesses.check(connection, _attempt("bob"))
    assert _is_refused(connection, _attempt(None))
    assert not _is_refused(connection, _attempt("bob", "10.0.0.2"))


def test_where_a_user_has_logged_in_from_others_who_guess_lock_nobody_out(connection):
    guesses.succeeded(connection, _attempt(address="10.0.0.7"))
    for number in range(ACCOUNT.size + 5):
        _fail(connection, 1, _attempt(address=f"10.0.1.{number}"))
    for number in range(ADDRESS.size + 5):
        _fail(connection, 1, _attempt(f"user{number}", "10.0.0.7"))
    assert not _is_refused(connection, _attempt(address="10.0.0.7"))
    assert _is_refused(connection, _attempt(address="10.0.0.8"))
    assert _is_refused(connection, _attempt("bob", "10.0.0.7"))


def test_an_own_address_is_no_licence_to_guess(connection):
    guesses.succeeded(connection, _attempt())
    _fail(connection, 9)
    assert _is_refused(connection, _attempt())


def test_an_own_address_is_forgotten_after_weeks(connection):
    guesses.succeeded(connection, _attempt(address="10.0.0.7"))
    _age(connection, guesses.KNOWN_FOR + timedelta(hours=1))
    for number in range(ACCOUNT.size):
        _fail(connection, 1, _attempt(address=f"10.0.1.{number}"))
    assert _is_refused(connection, _attempt(address="10.0.0.7"))
    guesses.forget(connection)
    addresses = connection.scalars(select(LoginAttempts.address)).all()
    assert "10.0.0.7" not in addresses
    assert len(addresses) == 2 * ACCOUNT.size + 1


def test_a_success_forgets_the_failures_of_the_account_but_not_those_of_the_address(connection):
    _fail(connection, 20)
    guesses.succeeded(connection, _attempt())
    assert not _is_refused(connection, _attempt())
    rows = connection.execute(select(LoginAttempts.account, LoginAttempts.failures)).all()
    assert sorted(tuple(row) for row in rows) == [(ANY, 20), ("db/ana", 0)]


def test_failures_of_days_ago_are_forgotten(connection):
    _fail(connection, 20)
    _age(connection, timedelta(days=2))
    _fail(connection, 1, _attempt("bob", "10.0.0.2"))
    guesses.forget(connection)
    accounts = connection.scalars(select(LoginAttempts.account)).all()
    assert sorted(accounts) == [ANY, "db/bob", "db/bob"]


@pytest.mark.parametrize("name", ["Ana", " ana ", "ANA", "\uff41na", "ana\t"])
def test_spellings_of_a_name_are_counted_together(connection, name):
    _fail(connection, 9)
    assert _is_refused(connection, _attempt(name))


def test_a_client_with_a_network_of_its_own_has_one_address(connection):
    _fail(connection, 9, _attempt(address="2001:db8::1"))
    assert _is_refused(connection, _attempt(address="2001:db8::ffff:1"))
    assert not _is_refused(connection, _attempt(address="2001:db8:0:1::1"))


def test_absurd_names_are_counted_too(connection):
    absurd = Attempt.of("db", "\0\ud800" + "x" * 5000 + "\u0130", "a" * 500)
    _fail(connection, 20, absurd)
    assert _is_refused(connection, absurd)


def test_a_name_cannot_be_mistaken_for_all_accounts(connection):
    _fail(connection, 9, Attempt.of("db", ANY, "10.0.0.1"))
    assert not _is_refused(connection, _attempt())
    assert connection.scalar(select(func.count()).where(LoginAttempts.account == "db/*")) == 2
