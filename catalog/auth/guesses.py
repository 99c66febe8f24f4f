"""Guessing passwords is slow, from one address or from many, and locks no user out.

Three things are counted in the database, for all processes together: failures of an account from
an address, of the account from anywhere, and from the address with any account. Where an account
has logged in from lately, only the first counts: others who guess do not keep its user waiting.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from catalog.model import LoginAttempts
from ijp.errors import NotAuthenticatedError

FREE_FAILURES = 5
"""Failures in a row of an account from an address before there is any waiting: people mistype."""

LONGEST_WAIT = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(days=1)
KNOWN_FOR = timedelta(days=30)
"""How long an address from which an account logged in is known as one of its own."""

ANY = "*"


@dataclass(frozen=True)
class Bucket:
    """So many failures at once are let pass, and after that one each time ``refill`` goes by."""

    size: int
    refill: timedelta

    def level(self, failures: int, age: timedelta) -> int:
        """How many failures still count."""
        return max(0, failures - age // self.refill)

    def wait(self, failures: int, age: timedelta) -> timedelta:
        """How long until one more is let pass."""
        return max(timedelta(0), (failures - self.size + 1) * self.refill - age)


ACCOUNT = Bucket(30, timedelta(minutes=5))
ADDRESS = Bucket(60, timedelta(minutes=1))


@dataclass(frozen=True)
class Attempt:
    """Who wants to log in and from where, as it is counted.

    Attributes:
        account: With the authenticator, such as ``db/ana``; ``ANY`` where no name is asked for.
    """

    account: str
    address: str

    @classmethod
    def of(cls, authenticator: str, username: str | None, address: str) -> Attempt:
        """An attempt by what was sent.

        Spellings that an account directory may take for the same name are counted together.
        """
        if username is None:
            return cls(ANY, network_of(address))
        spaced = "".join(one if one.isprintable() else " " for one in username)
        plain = " ".join(unicodedata.normalize("NFKC", spaced).casefold().split())
        return cls(f"{authenticator}/{plain}"[:255], network_of(address))

    @property
    def counted(self) -> dict[tuple[str, str], Bucket | None]:
        """What is counted, in one order for all; None where waits get longer."""
        found: dict[tuple[str, str], Bucket | None] = {(ANY, self.address): ADDRESS}
        if self.account != ANY:
            found |= {(self.account, ANY): ACCOUNT, (self.account, self.address): None}
        return dict(sorted(found.items(), key=lambda one: one[0]))


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, which one client has whole."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found)


def check(connection: Connection, attempt: Attempt) -> datetime | None:
    """Let an attempt pass, or refuse it because there were too many failures lately.

    Returns:
        None, or after waiting the moment of the last failure, for ``take_turn``.

    Raises:
        NotAuthenticatedError: Says how many seconds to wait.
    """
    now = datetime.now(UTC)
    rows = {
        (row.account, row.address): row
        for row in connection.execute(
            select(LoginAttempts.__table__).where(or_(*map(_this, attempt.counted)))
        )
    }
    own = rows.get((attempt.account, attempt.address))
    is_known = own is not None and own.last_success and own.last_success > now - KNOWN_FOR
    for key, bucket in attempt.counted.items():
        row = rows.get(key)
        if row is None or (bucket and is_known):
            continue
        age = now - row.last_failure
        left = bucket.wait(row.failures, age) if bucket else wait_after(row.failures) - age
        if left > timedelta(0):
            raise _refusal(key, left)
    return own.last_failure if own is not None and own.failures >= FREE_FAILURES else None


def take_turn(connection: Connection, attempt: Attempt, last_failure: datetime) -> None:
    """Take the one try that there is after waiting: of many at once one gets it.

    Raises:
        NotAuthenticatedError: Another one did.
    """
    key = (attempt.account, attempt.address)
    free = and_(_this(key), LoginAttempts.last_failure == last_failure)
    statement = update(LoginAttempts).where(free).values(last_failure=datetime.now(UTC))
    if not connection.execute(statement).rowcount:
        raise _refusal(key, timedelta(seconds=1))


def _refusal(key: tuple[str, str], left: timedelta) -> NotAuthenticatedError:
    account, address = key
    seconds = math.ceil(left.total_seconds())
    whose = f"from {address}" if account == ANY else f"as {account}"
    return NotAuthenticatedError(
        f"too many failed log-ins {whose}: please wait {seconds} seconds and try again"
    )


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long after each."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_WAIT)


def failed(connection: Connection, attempt: Attempt) -> None:
    """Note a failure."""
    now = datetime.now(UTC)
    for key, bucket in attempt.counted.items():
        _ensure(connection, key, now)
        statement = select(LoginAttempts.failures, LoginAttempts.last_failure)
        row = connection.execute(statement.where(_this(key)).with_for_update()).first()
        if row is None:  # the account was logged in to at this moment
            continue
        age = now - row.last_failure
        level = bucket.level(row.failures, age) if bucket else row.failures
        values = {"failures": level + 1, "last_failure": now}
        connection.execute(update(LoginAttempts).where(_this(key)).values(values))


def succeeded(connection: Connection, attempt: Attempt) -> None:
    """Forget the failures of the account, and remember where its user comes from."""
    if attempt.account == ANY:
        return
    now = datetime.now(UTC)
    own = (attempt.account, attempt.address)
    connection.execute(delete(LoginAttempts).where(_this((attempt.account, ANY))))
    _ensure(connection, own, now)
    values = {"failures": 0, "last_success": now}
    connection.execute(update(LoginAttempts).where(_this(own)).values(values))


def forget(connection: Connection) -> None:
    """Drop what no longer counts: failures of days ago and addresses not used for weeks."""
    now = datetime.now(UTC)
    successes = LoginAttempts.last_success
    connection.execute(
        delete(LoginAttempts).where(
            LoginAttempts.last_failure < now - FORGOTTEN_AFTER,
            or_(successes.is_(None), successes < now - KNOWN_FOR),
        )
    )


def _ensure(connection: Connection, key: tuple[str, str], now: datetime) -> None:
    """Make the row if it is not there; another process may do so at the same moment."""
    if connection.execute(select(LoginAttempts.account).where(_this(key))).first():
        return
    values = {"account": key[0], "address": key[1], "failures": 0, "last_failure": now}
    try:
        with connection.begin_nested():
            connection.execute(insert(LoginAttempts), values)
    except IntegrityError:
        return


def _this(key: tuple[str, str]) -> ColumnElement[bool]:
    return and_(LoginAttempts.account == key[0], LoginAttempts.address == key[1])
