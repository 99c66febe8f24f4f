"""``ijpd user``: accounts are made, changed and disabled; passwords come from standard input."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from catalog.cli import commands
from ijp.errors import BadRequestError, ConflictError, NotFoundError

USER = next(one for one in commands if one.name == "user")


@pytest.fixture
def run(settings_file):
    def run(*arguments: str, typed: str = "") -> str:
        command = [*arguments[:1], "--settings", str(settings_file), *arguments[1:]]
        done = CliRunner().invoke(USER, command, input=typed, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_an_account_is_added_and_can_log_in(run, rest):
    assert run("add", "carla", typed="long enough\n") == "db/carla: added\n"
    session = rest.login("db", username="carla", password="long enough")
    assert session.call("GET", "/session/me").json["userName"] == "db/carla"


def test_another_password_ends_the_sessions(run, rest):
    run("add", "carla", typed="long enough\n")
    session = rest.login("db", username="carla", password="long enough")
    assert run("passwd", "carla", typed="another one\n") == "db/carla: password changed\n"
    assert session.call("GET", "/session/me").status_code == 403
    assert rest.login("db", username="carla", password="another one")


def test_a_disabled_account_is_out_at_once(run, rest):
    run("add", "carla", typed="long enough\n")
    session = rest.login("db", username="carla", password="long enough")
    assert run("disable", "carla") == "db/carla: disabled\n"
    assert session.call("GET", "/session/me").status_code == 403
    assert run("enable", "carla") == "db/carla: enabled\n"
    assert rest.login("db", username="carla", password="long enough")


def test_accounts_are_listed_by_name(run):
    assert run("list") == ""
    for name in ("dora", "carla"):
        run("add", name, typed="long enough\n")
    run("disable", "dora")
    assert run("list") == "db/carla\tenabled\ndb/dora\tdisabled\n"


def test_a_user_of_any_authenticator_is_logged_out_everywhere(run, rest, ana):
    other = rest.login("simple", username="ana", password="ana-pass")
    assert run("log-out", "simple/ana") == "simple/ana: 2 sessions ended\n"
    for session in (ana, other):
        assert session.call("GET", "/session/me").status_code == 403


def test_what_cannot_be_is_told(run):
    with pytest.raises(NotFoundError, match="there is no user carla"):
        run("passwd", "carla", typed="long enough\n")
    with pytest.raises(NotFoundError, match="there is no user carla"):
        run("disable", "carla")
    with pytest.raises(BadRequestError, match="a password has 8 to 1000 characters, not 5"):
        run("add", "carla", typed="short\n")
    with pytest.raises(BadRequestError, match="too easy to guess"):
        run("add", "carla", typed="carla123\n")
    run("add", "carla", typed="long enough\n")
    with pytest.raises(ConflictError, match="there is a user carla already"):
        run("add", "carla", typed="long enough\n")


def test_no_password_is_taken_from_the_command_line(settings_file):
    command = ["add", "--settings", str(settings_file), "carla", "long enough"]
    assert CliRunner().invoke(USER, command).exit_code == 2
