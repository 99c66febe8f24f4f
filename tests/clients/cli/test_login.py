"""Logging in and out by the command, and what it keeps (req. 21, 26; security 3, 5)."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ijp.portal import PortalClient
from tests.portal_site import PASSWORDS

pytestmark = pytest.mark.slow

IJP = Path(sys.executable).with_name("ijp")


def login(portal, *words):
    return ["--portal", portal.url, "login", *words]


def kept(command):
    return json.loads((command.folder / "session.json").read_text())


@pytest.fixture
def logged_in(portal, stranger):
    """A user with a session of its own, which the test may end."""
    words = login(portal, "simple", "username", "ana", "password", "-")
    stranger.run(*words, stdin=PASSWORDS["ana"] + "\n")
    return stranger


def test_password_is_read_from_standard_input(portal, logged_in):
    assert logged_in.says("session") == f"simple/ana at {portal.url}, 120 minutes left\n"
    assert kept(logged_in)["url"] == portal.url


def test_what_is_kept_is_private(logged_in):
    """req. 26, security 5"""
    file = logged_in.folder / "session.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert logged_in.folder.stat().st_mode & 0o777 == 0o700
    assert PASSWORDS["ana"] not in file.read_text()
    assert [one.name for one in logged_in.folder.iterdir()] == ["session.json"]


def test_file_of_others_is_not_written_through(logged_in, tmp_path):
    """A link that somebody left where the next session goes."""
    target = tmp_path / "target"
    target.write_text("as it was")
    (logged_in.folder / "session.new").symlink_to(target)
    logged_in.run("logout")
    assert target.read_text() == "as it was"


def test_json_says_who_but_not_the_session(portal, stranger):
    words = ["--json", *login(portal, "simple", "username", "ana", "password", "-")]
    told = json.loads(stranger.run(*words, stdin=PASSWORDS["ana"] + "\n").stdout)
    assert told["userName"] == "simple/ana"
    assert told["url"] == portal.url
    assert told["catalogUrl"] == f"{portal.url}/icat"
    assert told["datastoreUrl"] == f"{portal.url}/ids"
    assert kept(stranger)["sessionId"] not in json.dumps(told)


def test_wrong_password_is_told_and_nothing_is_kept(portal, stranger):
    done = stranger.run(
        *login(portal, "simple", "username", "ana", "password", "-"), stdin="wrong\n", code=3
    )
    assert done.stderr == "ijp: The username and password do not match\n"
    assert not stranger.folder.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ldap"], "no authenticator 'ldap' (there are: db, simple)"),
        (["simple", "user", "ana"], "does not ask for 'user' (but for: username, password)"),
        (["simple", "username"], "credentials are pairs: NAME VALUE"),
        ([], "name the authenticator; there are: db, simple"),
        (["simple", "username", "ana"], "give the password as: password - < FILE"),
    ],
)
def test_what_is_missing_or_unknown_is_named(portal, stranger, words, message):
    assert message in stranger.refuses(*login(portal, *words), code=2)


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("ftp://jobs.example.org", 2, "'ftp://jobs.example.org' is not a portal's address"),
        ("jobs.example.org", 2, "'jobs.example.org' is not a portal's address"),
        ("http://", 2, "'http:' is not a portal's address"),
        ("http://a b", 7, "is not the address of a service"),
        ("http://127.0.0.1:9", 8, "http://127.0.0.1:9/api/v1 does not answer"),
    ],
)
def test_wrong_address_is_told(stranger, url, code, message):
    assert message in stranger.refuses("--portal", url, "login", code=code)


def test_another_service_is_not_taken_for_a_portal(portal, stranger):
    words = ["--portal", f"{portal.url}/icat", "login"]
    assert f"{portal.url}/icat is not a portal" in stranger.refuses(*words, code=2)


def test_without_address_it_is_asked_for(stranger):
    assert "which portal? log in with: ijp --portal URL login" in stranger.refuses("login", code=2)


@pytest.mark.parametrize(
    "words", [["session"], ["search"], ["show", "1"], ["status"], ["download", "1"], ["refresh"]]
)
def test_without_session_one_is_told_to_log_in(stranger, words):
    assert "use ijp login" in stranger.refuses(*words, code=3)


def test_session_that_has_ended_is_told_and_not_shown(portal, logged_in):
    """Expired, or ended elsewhere."""
    session_id = kept(logged_in)["sessionId"]
    PortalClient(portal.url, session_id).logout()
    for words in (["status"], ["search"], ["search", "--query", "SELECT d FROM Dataset d"]):
        told = logged_in.refuses(*words, code=3)
        assert told == ("ijp: you are not logged in, or your session has ended: use ijp login\n")
        assert session_id not in told


def test_session_can_come_from_the_environment(portal, stranger):
    """For programs that have one from elsewhere."""
    environment = stranger.for_processes() | {
        "IJP_SESSION": str(portal.user("ben").session_id),
        "IJP_PORTAL": portal.url,
    }
    done = subprocess.run([IJP, "session"], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(f"simple/ben at {portal.url}")
    assert not stranger.folder.exists()


def test_session_is_not_sent_to_another_portal(logged_in):
    told = logged_in.refuses("--portal", "http://127.0.0.1:9", "session", code=3)
    assert "use ijp login" in told


def test_refresh_and_logout(portal, logged_in):
    assert logged_in.says("refresh") == "120 minutes left\n"
    assert json.loads(logged_in.says("--json", "refresh"))["remainingMinutes"] > 119
    session_id = kept(logged_in)["sessionId"]
    assert logged_in.says("logout") == "logged out\n"
    assert kept(logged_in) == {"url": portal.url}
    assert "session has ended" in logged_in.refuses("session", code=3)
    done = subprocess.run(
        [IJP, "session"],
        env=logged_in.for_processes() | {"IJP_SESSION": session_id},
        capture_output=True,
    )
    assert done.returncode == 3
    assert logged_in.says("logout") == "nobody was logged in\n"


def test_logout_where_nobody_ever_logged_in(stranger):
    assert "which portal?" in stranger.refuses("logout", code=2)


def test_password_is_asked_for_without_showing_it(portal, stranger):
    """On a real terminal."""
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [IJP, *login(portal)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=stranger.for_processes(),
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    for question, answer in (
        (b"Log in with", "simple"),
        (b"username", "ana"),
        (b"password", PASSWORDS["ana"]),
    ):
        while question not in shown:
            shown += os.read(reader, 1000)
        os.write(reader, answer.encode() + b"\n")
    while b"logged in to" not in shown:
        shown += os.read(reader, 1000)
    assert process.wait(20) == 0
    os.close(reader)
    assert PASSWORDS["ana"].encode() not in shown


def test_plain_http_to_another_host_is_warned_of(stranger, monkeypatch):
    """The password would be read on the way."""
    monkeypatch.setattr("ijp.cli.login._authenticators", lambda portal: [_SIMPLE])
    words = ["--portal", "http://192.0.2.1:1", "login", "simple", "username", "a", "password", "-"]
    monkeypatch.setattr("ijp.portal.PortalClient.login", lambda *_: {"userName": "simple/a"})
    told = stranger.run(*words, stdin="x\n").stderr
    assert told == "warning: http://192.0.2.1:1 is not https: others on the way can read this\n"


_SIMPLE = {
    "mnemonic": "simple",
    "keys": [{"name": "username", "hide": False}, {"name": "password", "hide": True}],
}
