"""Log-in by the real PAM of this host, with accounts that are made for it and go away."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog.auth import authenticator
from catalog.auth.authenticator import Authenticator, Surroundings
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError, UnavailableError
from servicekit import database
from servicekit.settings import SettingsError

HELPER = Path(sys.executable).with_name("ijp-pam-helper")
DOCS = Path(__file__).parents[4] / "docs" / "login.md"
WORDS = "words of the account: é"


@dataclass(frozen=True)
class Host:
    """A PAM service, with the name of a user who has a password."""

    service: str
    user: str


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.fail("these tests make accounts of the host: run them as root")
    mark = secrets.token_hex(4)
    service, user = Path(f"/etc/pam.d/ijp-test-{mark}"), f"ijpt{mark}"
    subprocess.run(["useradd", "--no-create-home", user], check=True)
    try:
        _set_password(user)
        service.write_text(_documented("pam").replace("pam_unix.so", "pam_unix.so nodelay"))
        yield Host(service.name, user)
    finally:
        service.unlink(missing_ok=True)
        subprocess.run(["userdel", user], check=True)


def _documented(kind: str) -> str:
    """The example of this kind in the documentation."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def _set_password(user: str) -> None:
    subprocess.run(["chpasswd"], input=f"{user}:{WORDS}\n", text=True, check=True)


@pytest.fixture
def make(host, tmp_path: Path) -> Callable[..., Authenticator]:
    def make(**told: Any) -> Authenticator:
        transactions = Transactions(database.engine_for("sqlite://", "catalog"))
        told = {"service": host.service, **told}
        return authenticator.load("pam", Surroundings(transactions, told, tmp_path.joinpath))

    return make


def test_an_account_of_the_host_logs_in(make, host):
    credentials = {"username": host.user, "password": WORDS}
    assert make().authenticate(credentials) == f"pam/{host.user}"
    assert make(mechanism="host").authenticate(credentials) == f"host/{host.user}"


@pytest.mark.parametrize(
    "password", ["wrong", WORDS + "\0", WORDS + "\n", WORDS[:-1], "x" * 5000, "\ud800"]
)
def test_a_wrong_password_is_refused(make, host, password):
    with pytest.raises(NotAuthenticatedError, match="The username and password do not match"):
        make().authenticate({"username": host.user, "password": password})


@pytest.mark.parametrize(
    "name", ["no-such-account", "a/../b", "-x", "\0", "a:b", "é", "x" * 5000, "\ud800"]
)
def test_who_has_no_account_is_refused(make, name):
    with pytest.raises(NotAuthenticatedError, match="The username and password do not match"):
        make().authenticate({"username": name, "password": WORDS})


def test_a_name_that_only_begins_with_an_account_is_refused(make, host):
    with pytest.raises(NotAuthenticatedError):
        make().authenticate({"username": f"{host.user}\0x", "password": WORDS})


def test_accounts_of_the_system_do_not_log_in(make, host):
    credentials = {"username": host.user, "password": WORDS}
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        make(least_uid=60_000).authenticate(credentials)
    assert make(least_uid=0).authenticate(credentials) == f"pam/{host.user}"


@pytest.mark.parametrize(
    ("end", "revive"),
    [
        (["chage", "--expiredate", "0"], ["chage", "--expiredate", "-1"]),
        (["usermod", "--lock"], ["usermod", "--unlock"]),
    ],
)
def test_an_account_that_has_ended_is_refused(make, host, end, revive):
    credentials = {"username": host.user, "password": WORDS}
    subprocess.run([*end, host.user], check=True)
    try:
        with pytest.raises(NotAuthenticatedError, match="do not match"):
            make().authenticate(credentials)
    finally:
        subprocess.run([*revive, host.user], check=True)
    assert make().authenticate(credentials) == f"pam/{host.user}"


@pytest.fixture
def sudo(host) -> Iterator[list[str]]:
    """The helper as a service that is not root starts it, by the line of the documentation."""
    if not shutil.which("sudo"):
        pytest.fail("sudo is not installed; `make test` installs it as root")
    line = _documented("sudoers").replace("ijp ALL", "nobody ALL")
    line = line.replace("/opt/ijp/bin/ijp-pam-helper ijp", f"{HELPER} {host.service}")
    path = Path(f"/etc/sudoers.d/{host.service}")
    path.touch(mode=0o440)
    path.write_text(line)
    try:
        yield ["setpriv", "--reuid=nobody", "--clear-groups", "sudo", "-n", str(HELPER)]
    finally:
        path.unlink()


def test_a_service_that_is_not_root_asks_by_the_helper(make, host, sudo):
    made = make(helper=sudo)
    assert made.authenticate({"username": host.user, "password": WORDS}) == f"pam/{host.user}"
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        made.authenticate({"username": host.user, "password": "wrong"})


def test_sudo_allows_that_service_and_least_user_id_alone(make, host, sudo):
    for other in ({"service": "login"}, {"least_uid": 0}):
        with pytest.raises(UnavailableError, match="the accounts of this host"):
            make(helper=sudo, **other).authenticate({"username": host.user, "password": WORDS})


def test_the_password_is_on_no_command_line_and_in_no_environment(make, host, tmp_path):
    seen = tmp_path / "seen"
    script = tmp_path / "helper"
    script.write_text(
        f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ > {seen}\nexec {HELPER} "$@"\n'
    )
    script.chmod(0o755)
    made = make(helper=[str(script)])
    assert made.authenticate({"username": host.user, "password": WORDS}) == f"pam/{host.user}"
    assert host.service in seen.read_bytes().decode()
    assert "words of" not in seen.read_bytes().decode()


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo no json", "echo []", "echo 5", "echo {}", "exec sleep 30", "kill -9 $$"],
)
def test_a_helper_that_fails_lets_nobody_in(make, host, tmp_path, script, caplog):
    path = tmp_path / "helper"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    made = make(helper=[str(path)], timeout_seconds=1)
    with pytest.raises(UnavailableError, match="the accounts of this host"):
        made.authenticate({"username": host.user, "password": WORDS})
    assert str(path) in caplog.text
    assert "words of" not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["login"], "{}"),
        (["../shadow", "0"], "{}"),
        (["login", "x"], "{}"),
        (["login", "0"], ""),
        (["login", "0"], "[]"),
        (["login", "0"], "{}"),
        (["login", "0"], '{"username": 5, "password": "x"}'),
        (["login", "0"], '{"username": "' + "x" * 20_000 + '", "password": "x"}'),
        (["login", "0", "more"], "{}"),
    ],
)
def test_the_helper_answers_nothing_that_is_no_request(arguments, given):
    done = subprocess.run([HELPER, *arguments], input=given, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ijp-pam-helper: ")
    assert len(done.stderr) < 60


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"service": "../login"}, "service: String does not match"),
        ({"helper": []}, "helper: Shorter than minimum"),
        ({"helper": "sudo"}, "helper: Not a valid list"),
        ({"least_uid": -1}, "least_uid: Must be greater"),
        ({"root": True}, "root: Unknown field"),
    ],
)
def test_wrong_settings_stop_the_start(make, told, fault):
    with pytest.raises(SettingsError, match=fault):
        make(**told)
