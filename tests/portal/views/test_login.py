from __future__ import annotations

import pytest

from portal.views.login import safe_path
from servicekit.logs import redacted


@pytest.mark.parametrize("path", ["/", "/jobs?state=failed&days=7", "/find?text=a//b", "/jobs#x"])
def test_paths_of_the_portal_are_gone_to(path):
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/login?next=/login",
        "/logout",
    ],
)
def test_anything_else_leads_to_the_first_page(path):
    """No open redirect."""
    assert safe_path(path) == "/"


def _guess(portal, address: str, **more) -> str:
    browser = portal.app.test_client()
    given = {"authenticator": "simple", "credentials": {"username": "ana", "password": "x"}}
    answer = browser.post(
        "/api/v1/session", json=given, environ_overrides={"REMOTE_ADDR": address}, **more
    )
    assert answer.status_code == 401
    return str(answer.json["message"])


def test_who_guesses_in_a_browser_keeps_nobody_elsewhere_out(idle):
    """All browsers share the portal, whose own address is not what counts."""
    for _ in range(7):
        last = _guess(idle, "198.51.100.1")
    assert last.startswith("too many failed log-ins as simple/ana")
    assert _guess(idle, "198.51.100.2") == "The username and password do not match"
    forged = {"X-Forwarded-For": "198.51.100.3"}
    assert _guess(idle, "198.51.100.1", headers=forged).startswith("too many failed log-ins")


def test_a_session_that_has_ended_is_on_no_page_and_in_no_log(idle, caplog):
    """The catalog repeats it in its message, as ICAT does."""
    caplog.set_level("DEBUG")
    credentials = {"username": "ana", "password": idle.passwords["ana"]}
    session = idle.services.catalog.login("simple", credentials)
    session.logout()
    browser = idle.app.test_client()
    headers = {"Authorization": f"Bearer {session.session_id}"}
    for path in ("/api/v1/session", "/jobs", "/", "/ijp/rest/jm/status"):
        answer = browser.get(path, headers=headers)
        assert answer.status_code in (303, 401, 403, 404)
        assert session.session_id not in answer.text + str(answer.headers)
    lines = [redacted(record.getMessage()) for record in caplog.records]
    assert lines
    assert not [line for line in lines if session.session_id in line]
