"""No secret reaches a log line."""

from __future__ import annotations

import logging

import pytest

from servicekit.logs import _Line, redacted

_SECRET = "7bf8e647-29f3-4cd9-ad25-82020c84cd26"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /icat/entityManager?sessionId={_SECRET}&query=x",
        f"GET /icat/session/{_SECRET}",
        f'{{"sessionId": "{_SECRET}"}}',
        f"Authorization: Bearer {_SECRET}",
        f"/ids/getData?preparedId={_SECRET}",
        f"password={_SECRET}",
        f"Unable to find user by sessionid: {_SECRET}",
        f"Session id:{_SECRET} has expired",
        f"'token': '{_SECRET}'",
    ],
)
def test_secret_is_replaced(text: str) -> None:
    assert _SECRET not in redacted(text)


def test_formatted_line_is_redacted_with_its_arguments() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "sessionId=%s", (_SECRET,), None)
    assert _SECRET not in _Line("%(message)s %(request)s %(user)s").format(record)
