"""The catalog's settings: defaults, and faults that stop the start."""

from __future__ import annotations

import pytest

from catalog import app, settings
from servicekit.plugins import PluginError
from servicekit.settings import SettingsError


def _read(tmp_path, catalog: str, common: str = 'database_url = "sqlite:///x.db"'):
    path = tmp_path / "ijp.toml"
    path.write_text(f"[common]\n{common}\n[catalog]\n{catalog}\n")
    return settings.read(path)


def test_only_the_database_must_be_set(tmp_path):
    found = _read(tmp_path, "")
    assert found.database_url == "sqlite:///x.db"
    assert found.authenticators == ("simple", "db", "anon")
    assert found.root_users == frozenset()
    assert found.lifetime_minutes == 120
    assert found.max_entities == 10_000
    assert found.allowed_origins == frozenset()
    assert found.path("secrets/users.toml") == tmp_path / "secrets" / "users.toml"
    assert found.path("/etc/users.toml").as_posix() == "/etc/users.toml"


def test_settings_of_other_services_are_not_minded(tmp_path):
    common = 'database_url = "x"\npublic_url = "https://portal.example.org"'
    assert _read(tmp_path, "", common).database_url == "x"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("lifetime_minutes = 0", "lifetime_minutes"),
        ('max_entities = "many"', "max_entities"),
        ("authenticators = []", "authenticators"),
        ('allowed_origins = ["*"]', "allowed_origins"),
        ('root_user = ["simple/root"]', "root_user: Unknown field"),
        ('time_zone = "Mars/Olympus"', "there is no time zone 'Mars/Olympus'"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path, line, fault):
    with pytest.raises(SettingsError, match=fault):
        _read(tmp_path, line)


def test_a_missing_database_is_named(tmp_path):
    with pytest.raises(SettingsError, match="database_url"):
        _read(tmp_path, "", "")


def test_an_authenticator_that_is_not_there_stops_the_start(tmp_path):
    found = _read(
        tmp_path, 'authenticators = ["kerberos"]', f'database_url = "sqlite:///{tmp_path}/x.db"'
    )
    with pytest.raises(PluginError, match="kerberos"):
        app.app_for(found)
