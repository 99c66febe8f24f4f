"""What holds for every authenticator that comes with the catalog, and what each does alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from catalog.auth import authenticator, passwords
from catalog.auth.authenticator import Authenticator, Surroundings
from catalog.auth.authenticators import db
from catalog.transactions import Transactions
from ijp.errors import BadRequestError, ConflictError, NotAuthenticatedError, NotFoundError
from servicekit.plugins import PluginError, available
from servicekit.settings import SettingsError

pytestmark = pytest.mark.slow

GOOD = {
    "anon": ({}, "anon/anon"),
    "db": ({"username": "ana", "password": "long enough"}, "db/ana"),
    "simple": ({"username": "ana", "password": "long enough"}, "simple/ana"),
}


@pytest.fixture
def surroundings(engine_of, tmp_path: Path) -> Iterator[Surroundings]:
    users = tmp_path / "users.toml"
    users.write_text(f'ana = "{generate_password_hash("long enough")}"\n')
    users.chmod(0o600)
    transactions = Transactions(engine_of("catalog"))
    with transactions.writing() as connection:
        db.add(connection, "ana", "long enough")
    yield Surroundings(transactions, {"users_file": "users.toml"}, lambda given: tmp_path / given)
    transactions.engine.dispose()


@pytest.fixture(params=sorted(GOOD))
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def made(name, surroundings) -> Authenticator:
    return authenticator.load(name, surroundings)


def test_every_authenticator_of_ours_is_tested():
    assert set(GOOD) <= available(authenticator.GROUP)


def test_right_credentials_give_the_full_user_name(made, name):
    credentials, user_name = GOOD[name]
    assert made.authenticate(credentials) == user_name


def test_credentials_are_what_the_keys_ask_for(made, name):
    assert [key.name for key in made.keys] == list(GOOD[name][0])
    assert all(key.hide == (key.name == "password") for key in made.keys)
    assert made.friendly


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong"}, "The username and password do not match"),
        ({"username": "bob"}, "The username and password do not match"),
        ({"username": "Ana"}, "The username and password do not match"),
        ({"username": "ana' OR '1'='1"}, "The username and password do not match"),
        ({"password": "x" * 100_000}, "The username and password do not match"),
        ({"username": "ana\0"}, "The username and password do not match"),
        ({"username": "\ud800"}, "The username and password do not match"),
        ({"password": "\ud800"}, "The username and password do not match"),
        ({"password": ""}, "password cannot be null or empty."),
        ({"username": ""}, "username cannot be null or empty."),
    ],
)
@pytest.mark.parametrize("name", ["db", "simple"])
def test_wrong_credentials_are_refused(surroundings, name, change, message):
    with pytest.raises(NotAuthenticatedError) as refusal:
        authenticator.load(name, surroundings).authenticate(GOOD[name][0] | change)
    assert refusal.value.message == message


@pytest.mark.parametrize("name", ["db", "simple"])
def test_credentials_that_are_missing_are_asked_for(surroundings, name):
    with pytest.raises(NotAuthenticatedError, match="username cannot be null"):
        authenticator.load(name, surroundings).authenticate({})


@pytest.mark.parametrize("name", ["db", "simple"])
def test_unknown_users_take_as_long_as_known_ones(surroundings, name):
    made = authenticator.load(name, surroundings)

    def seconds(user: str) -> float:
        began = time.thread_time()
        with pytest.raises(NotAuthenticatedError):
            made.authenticate({"username": user, "password": "wrong"})
        return time.thread_time() - began

    seconds("nobody")
    known = statistics.median(seconds("ana") for _ in range(5))
    unknown = statistics.median(seconds("nobody") for _ in range(5))
    assert 0.4 < unknown / known < 2.5


def test_an_authenticator_that_is_not_installed_stops_the_start(surroundings):
    with pytest.raises(PluginError, match="kerberos"):
        authenticator.load("kerberos", surroundings)


def test_users_of_the_database_can_change_passwords_and_be_disabled(surroundings):
    made = authenticator.load("db", surroundings)
    credentials = GOOD["db"][0]
    with surroundings.transactions.writing() as connection:
        db.disable(connection, "ana")
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        made.authenticate(credentials)
    with surroundings.transactions.writing() as connection:
        db.enable(connection, "ana")
    assert made.authenticate(credentials) == "db/ana"
    with surroundings.transactions.writing() as connection:
        db.set_password(connection, "ana", "another one")
    with pytest.raises(NotAuthenticatedError):
        made.authenticate(credentials)
    assert made.authenticate(credentials | {"password": "another one"}) == "db/ana"


def test_a_user_is_added_once_and_only_users_can_be_changed(surroundings):
    with surroundings.transactions.writing() as connection:
        with pytest.raises(ConflictError, match="a user ana already"):
            db.add(connection, "ana", "long enough")
        for name in ("", " ana", "a\nb", "x" * 201):
            with pytest.raises(BadRequestError, match="user name"):
                db.add(connection, name, "long enough")
        for change in (db.disable, db.enable):
            with pytest.raises(NotFoundError, match="bob"):
                change(connection, "bob")


def test_a_disabled_user_with_a_new_password_stays_disabled(surroundings):
    with surroundings.transactions.writing() as connection:
        db.disable(connection, "ana")
        db.set_password(connection, "ana", "another one")
        assert db.users(connection) == [("ana", True)]
    made = authenticator.load("db", surroundings)
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        made.authenticate({"username": "ana", "password": "another one"})


def test_a_user_without_a_password_is_not_enabled(surroundings):
    with surroundings.transactions.writing() as connection:
        connection.exec_driver_sql("UPDATE password SET hash = NULL")
        with pytest.raises(BadRequestError, match="ana has no password"):
            db.enable(connection, "ana")


def test_a_file_that_others_can_read_stops_the_start(surroundings, tmp_path):
    (tmp_path / "users.toml").chmod(0o640)
    with pytest.raises(SettingsError, match=r"users\.toml: others may read it \(mode 640\)"):
        authenticator.load("simple", surroundings)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('ana = "secret"\nbob = "$6$x"', "no hash that is understood for ana, bob"),
        ("ana = 5", "no hash that is understood for ana"),
        ("ana", "not TOML"),
    ],
)
def test_a_file_with_passwords_in_clear_stops_the_start(surroundings, tmp_path, content, fault):
    (tmp_path / "users.toml").write_text(content)
    with pytest.raises(SettingsError, match=fault) as refusal:
        authenticator.load("simple", surroundings)
    assert "secret" not in str(refusal.value)


def test_a_file_that_is_not_there_stops_the_start(surroundings, tmp_path):
    (tmp_path / "users.toml").unlink()
    with pytest.raises(SettingsError, match=r"users\.toml: cannot be read"):
        authenticator.load("simple", surroundings)
    nowhere = Surroundings(surroundings.transactions, {}, surroundings.path)
    with pytest.raises(SettingsError, match="simple_users_file"):
        authenticator.load("simple", nowhere)


def test_passwords_are_not_in_the_database(surroundings):
    with surroundings.transactions.reading() as connection:
        rows = connection.exec_driver_sql("SELECT user_name, hash FROM password").all()
    assert [row.user_name for row in rows] == ["ana"]
    assert passwords.is_hash(rows[0].hash)
