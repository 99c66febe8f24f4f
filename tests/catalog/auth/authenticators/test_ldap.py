"""Log-in against a real directory server."""

from __future__ import annotations

import logging
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.postgresql import free_port
from catalog.auth import authenticator
from catalog.auth.authenticator import Authenticator, Surroundings
from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError, UnavailableError
from servicekit import database
from servicekit.settings import SettingsError
from tests.catalog.auth.authenticators import directory
from tests.catalog.auth.authenticators.directory import BASE, READER, Directory


@pytest.fixture(scope="module")
def served() -> Iterator[Directory]:
    with (
        tempfile.TemporaryDirectory(prefix="ijp-slapd-") as folder,
        directory.running(Path(folder)) as made,
    ):
        yield made


@pytest.fixture
def make(served, tmp_path: Path) -> Callable[..., Authenticator]:
    """Makes the authenticator with other settings than usual; None leaves one out."""
    password = tmp_path / "reader"
    password.write_text("the reader's words\n")
    password.chmod(0o600)

    def make(**changes: object) -> Authenticator:
        told = {
            "servers": [served.ldaps],
            "ca_file": str(served.ca_file),
            "base_dn": f"ou=people,{BASE}",
            "bind_dn": READER,
            "bind_password_file": "reader",
            **changes,
        }
        engine = database.engine_for("sqlite://", "catalog")
        own = {key: value for key, value in told.items() if value is not None}
        surroundings = Surroundings(Transactions(engine), own, lambda given: tmp_path / given)
        return authenticator.load("ldap", surroundings)

    return make


def _credentials(username: str = "ana", password: str = "ana's words") -> dict[str, str]:
    return {"username": username, "password": password}


def test_a_user_logs_in_over_ldaps(make):
    assert make().authenticate(_credentials()) == "ldap/ana"


def test_a_user_logs_in_over_ldap_with_start_tls(make, served):
    made = make(servers=[served.ldap])
    assert made.authenticate(_credentials("bob", "bob's words")) == "ldap/bob"


def test_without_tls_a_user_logs_in_and_the_log_warns(make, served, caplog):
    with caplog.at_level(logging.WARNING):
        made = make(servers=[served.ldap], start_tls=False, ca_file=None)
    assert "passwords go over the network in clear" in caplog.text
    assert made.authenticate(_credentials()) == "ldap/ana"


@pytest.mark.parametrize("typed", ["ANA", " ana", "Ana "])
def test_the_name_is_the_one_of_the_directory_however_it_is_typed(make, typed):
    assert make().authenticate(_credentials(typed)) == "ldap/ana"


def test_the_mechanism_can_be_another_or_none(make):
    assert make(mechanism="uni").authenticate(_credentials()) == "uni/ana"
    assert make(mechanism="").authenticate(_credentials()) == "ana"


@pytest.mark.parametrize(
    ("username", "password", "message"),
    [
        ("ana", "wrong", "The username and password do not match"),
        ("ana", "bob's words", "The username and password do not match"),
        ("nobody", "ana's words", "The username and password do not match"),
        ("*", "ana's words", "The username and password do not match"),
        ("ana)(uid=*", "ana's words", "The username and password do not match"),
        ("an*", "ana's words", "The username and password do not match"),
        ("ana\0", "ana's words", "The username and password do not match"),
        ("x" * 10_000, "ana's words", "The username and password do not match"),
        ("ana", "x" * 10_000, "The username and password do not match"),
        ("ana", "", "password cannot be null or empty."),
        ("", "ana's words", "username cannot be null or empty."),
        ("reader", "the reader's words", "The username and password do not match"),
    ],
)
def test_wrong_credentials_are_refused(make, username, password, message):
    with pytest.raises(NotAuthenticatedError) as refusal:
        make().authenticate(_credentials(username, password))
    assert refusal.value.message == message


@pytest.mark.parametrize("password", ["\u00ad", "\u200b\ufeff", "\0", "\x07"])
def test_a_password_of_which_nothing_is_left_is_refused(make, password):
    """The directory takes a bind without password for an anonymous one, which succeeds."""
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        make().authenticate(_credentials(password=password))


def test_a_name_that_several_have_is_refused_and_logged(make, caplog):
    made = make(base_dn=BASE)
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        made.authenticate(_credentials("eve", "eve's words"))
    assert "several entries are found for 'eve'" in caplog.text
    assert make().authenticate(_credentials("eve", "eve's words")) == "ldap/eve"


def test_the_filter_decides_who_may_log_in(make):
    made = make(user_filter="(&(uid={username})(!(cn=bob)))")
    assert made.authenticate(_credentials()) == "ldap/ana"
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        made.authenticate(_credentials("bob", "bob's words"))


def test_the_next_server_is_asked_where_one_does_not_answer(make, served):
    nobody = f"ldap://127.0.0.1:{free_port()}"
    assert make(servers=[nobody, served.ldaps]).authenticate(_credentials()) == "ldap/ana"
    with pytest.raises(UnavailableError, match="the directory"):
        make(servers=[nobody]).authenticate(_credentials())


def test_a_server_that_is_silent_is_waited_for_no_longer_than_the_limit(make, served):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        made = make(servers=[address, served.ldaps], timeout_seconds=1)
        done: list[str] = []
        asking = threading.Thread(target=lambda: done.append(made.authenticate(_credentials())))
        asking.start()
        asking.join(60)
        assert done == ["ldap/ana"]


def test_a_certificate_that_is_not_trusted_gets_no_password(make, tmp_path, served):
    for changes in (
        {"ca_file": None},
        {"ca_file": None, "servers": [served.ldap]},
        {"servers": [served.ldaps.replace("localhost", "127.0.0.1")]},
    ):
        with pytest.raises(UnavailableError):
            make(**changes).authenticate(_credentials())
    directory.certificate(tmp_path, "localhost")
    with pytest.raises(UnavailableError):
        make(ca_file="server.pem").authenticate(_credentials())


def test_a_wrong_password_of_the_reader_is_no_fault_of_the_user(make, tmp_path, caplog):
    (tmp_path / "reader").write_text("wrong")
    with pytest.raises(UnavailableError):
        make().authenticate(_credentials())
    assert "bind_dn: invalidCredentials" in caplog.text
    assert "ana's words" not in caplog.text


def test_where_the_search_is_not_allowed_the_log_says_so(make, caplog):
    with pytest.raises(UnavailableError):
        make(bind_dn=None, bind_password_file=None).authenticate(_credentials())
    assert "search: insufficientAccessRights" in caplog.text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"servers": None}, "servers: Missing data"),
        ({"servers": []}, "servers: Shorter than minimum"),
        ({"servers": ["localhost"]}, "servers: 'localhost' is not ldap://host"),
        ({"servers": ["http://localhost"]}, "servers: 'http://localhost' is not"),
        ({"user_filter": "(uid=ana)"}, "user_filter: must contain {username}"),
        ({"bind_dn": None}, "bind_dn: give both"),
        ({"mechanism": "a/b"}, "mechanism: not a name"),
        ({"colour": 1}, "colour: Unknown field"),
        ({"ca_file": "nowhere.pem"}, "nowhere.pem: no certificates can be read from it"),
        ({"ca_file": "reader"}, "reader: no certificates can be read from it"),
        ({"bind_password_file": "nowhere"}, "nowhere: cannot be read"),
    ],
)
def test_wrong_settings_stop_the_start(make, changes, fault):
    with pytest.raises(SettingsError) as refusal:
        make(**changes)
    assert fault in str(refusal.value)


def test_a_secret_that_others_may_read_stops_the_start(make, tmp_path):
    (tmp_path / "reader").chmod(0o644)
    with pytest.raises(SettingsError, match="others may read it"):
        make()
