"""``ijp-pam-helper``: asks PAM about one user and one password, and can do nothing else.

It is a program of its own because PAM needs root for the passwords of others, which the service
shall not be. It imports little, and takes from its caller just what is checked here: the PAM
service and the least user id as arguments, which ``sudoers`` can fix, and on standard input a JSON
object with ``username`` and ``password``. It answers ``{"user": "name"}``, with null for no.
"""

from __future__ import annotations

import json
import pwd
import re
import signal
import sys
from typing import Any

import pamela

_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LONGEST_REQUEST = 16 * 1024
_MOST_SECONDS = 60
_NOBODY = "no such user?"


def main() -> None:
    """Answer one request; a fault is told on standard error, with exit status 2."""
    signal.alarm(_MOST_SECONDS)
    try:
        service, least_uid = _arguments(sys.argv[1:])
        request = json.loads(sys.stdin.buffer.read(_LONGEST_REQUEST))
        username, password = request["username"], request["password"]
        if not (isinstance(username, str) and isinstance(password, str)):
            raise TypeError("username and password must be text")
    except (ValueError, KeyError, TypeError) as error:
        print(f"ijp-pam-helper: {type(error).__name__}", file=sys.stderr)
        sys.exit(2)
    user = user_of(service, username, password, least_uid=least_uid)
    print(json.dumps({"user": user}))


def _arguments(given: list[str]) -> tuple[str, int]:
    service, least_uid = given
    if not _SERVICE.fullmatch(service):
        raise ValueError("not the name of a PAM service")
    return service, int(least_uid)


def user_of(service: str, username: str, password: str, *, least_uid: int) -> str | None:
    """The account's name as the system writes it, if PAM lets it in; None if not.

    Accounts of the system itself, below ``least_uid``, are not asked about: PAM gets a name that
    nobody has, and takes as long as for any other.
    """
    account = _account(username)
    allowed = account is not None and account.pw_uid >= least_uid
    if not password or not password.isprintable():
        return None
    try:
        pamela.authenticate(
            account.pw_name if allowed and account else _NOBODY, password, service, resetcred=0
        )
    except pamela.PAMError:
        return None
    return account.pw_name if allowed and account else None


def _account(username: str) -> Any:
    try:
        return pwd.getpwnam(username) if username.isprintable() else None
    except (KeyError, ValueError):
        return None


if __name__ == "__main__":
    main()
