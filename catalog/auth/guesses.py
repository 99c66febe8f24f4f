"""Guessing passwords is slow: after some failures in a row an account has to wait."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from catalog.model import FailedLogin
from ijp.errors import NotAuthenticatedError

FREE_FAILURES = 5
"""Failures in a row before there is any waiting: people do mistype."""

LONGEST_WAIT = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(days=1)


def check(connection: Connection, account: str, address: str) -> None:
    """Let an attempt pass, or refuse it because the failures before it are too fresh.

    Raises:
        NotAuthenticatedError: Says how many seconds to wait.
    """
    statement = select(FailedLogin.failures, FailedLogin.last_failure)
    found = connection.execute(statement.where(_this(account, address))).first()
    if found is None:
        return
    left = found.last_failure + wait_after(found.failures) - datetime.now(UTC)
    if left > timedelta(0):
        seconds = math.ceil(left.total_seconds())
        raise NotAuthenticatedError(
            f"too many failed log-ins as {account}: please wait {seconds} seconds and try again"
        )


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long after each."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_WAIT)


def failed(connection: Connection, account: str, address: str) -> None:
    """Note a failure, and forget those of days ago."""
    now = datetime.now(UTC)
    forgotten = FailedLogin.last_failure < now - FORGOTTEN_AFTER
    connection.execute(delete(FailedLogin).where(forgotten))
    values = {"failures": FailedLogin.failures + 1, "last_failure": now}
    here = _this(account, address)
    if not connection.execute(update(FailedLogin).where(here).values(values)).rowcount:
        row = {"account": account[:255], "address": address[:64], "failures": 1}
        connection.execute(insert(FailedLogin), {**row, "last_failure": now})


def succeeded(connection: Connection, account: str, address: str) -> None:
    """Forget the failures."""
    connection.execute(delete(FailedLogin).where(_this(account, address)))


def _this(account: str, address: str) -> ColumnElement[bool]:
    return and_(FailedLogin.account == account[:255], FailedLogin.address == address[:64])
