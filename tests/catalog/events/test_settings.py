"""Settings of notifications: the documented ones load, faults are named, secrets never."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from catalog import settings
from catalog.events.sending import read_keys
from servicekit.settings import SettingsError

PAGE = Path(__file__).parents[3] / "docs" / "catalog.md"
(EXAMPLE,) = re.findall(
    r"^```toml\n(\[catalog\.notifications\].*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
)
HOOK = '[[catalog.webhooks]]\nname = "a"\nurl = "https://a.example.org"\nsecret_file = "a"\n'


def _read(folder: Path, text: str) -> settings.CatalogSettings:
    path = folder / "ijp.toml"
    path.write_text(f'[common]\ndatabase_url = "sqlite:///x.db"\n{text}')
    return settings.read(path)


def test_the_example_of_the_documentation_is_loaded(tmp_path):
    found = _read(tmp_path, EXAMPLE)
    assert found.notifications == {"Dataset": "CU", "Datafile": "C"}
    assert found.notified == {"Dataset": "CU"}
    assert [one.url for one in found.webhooks] == ["https://index.example.org/changes"]


def test_nothing_is_told_unless_it_is_set(tmp_path):
    found = _read(tmp_path, "")
    assert (found.notified, found.webhooks) == ({}, ())


def test_changes_that_nobody_is_told_of_are_not_noted(tmp_path):
    assert _read(tmp_path, '[catalog.notifications]\nDataset = "CU"').notified == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[catalog.notifications]\nDateset = "C"', "there is no entity 'Dateset'"),
        ('[catalog.notifications]\nDataset = "D"', "Must be one of: C, U, CU"),
        (HOOK + HOOK, "two are called 'a'"),
        (HOOK + 'entities = ["X"]', "there is no entity 'X'"),
        (HOOK + 'secret = "whsec_"', "secret: Unknown field"),
        (HOOK.replace("https://", "https://me:pw@"), "no user, password or fragment"),
        (HOOK.replace("https", "file"), "url"),
        (HOOK.replace('"a"', '"../a"', 1), "not a name"),
        (HOOK + "timeout_seconds = 0", "timeout_seconds"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path, text, fault):
    with pytest.raises(SettingsError, match=fault):
        _read(tmp_path, text)


def _secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_each_line_of_a_secret_file_is_a_key(tmp_path):
    lines = "".join(f"whsec_{base64.b64encode(key * 24).decode()}\n" for key in (b"a", b"b"))
    assert read_keys(_secret_file(tmp_path, lines)) == (b"a" * 24, b"b" * 24)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there is no secret in it"),
        ("topsecret", "secret 1 is not whsec_"),
        ("whsec_dG9wc2VjcmV0", "secret 1 is not whsec_"),
        ("whsec_topsecret!", "secret 1 is not whsec_"),
    ],
)
def test_what_is_no_secret_is_refused_without_showing_it(tmp_path, text, fault):
    with pytest.raises(SettingsError, match=fault) as refused:
        read_keys(_secret_file(tmp_path, text))
    assert "dG9w" not in str(refused.value)
    assert "topsecret" not in str(refused.value)


def test_a_secret_that_others_may_read_is_refused(tmp_path):
    text = "whsec_" + base64.b64encode(b"a" * 32).decode()
    with pytest.raises(SettingsError, match="others may read it"):
        read_keys(_secret_file(tmp_path, text, 0o644))
