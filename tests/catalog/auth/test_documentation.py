"""Every example of settings in ``docs/login.md`` is one that starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from catalog import app as catalog_app
from catalog import settings
from catalog.auth import authenticator
from portal import settings as portal_settings
from servicekit.plugins import available

PAGE = Path(__file__).parents[3] / "docs" / "login.md"
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
_COMMON = """
database_url = "sqlite:///{folder}/{{service}}.db"
catalog_url = "http://catalog.embedded/icat"
datastore_url = "http://datastore.embedded/ids"
public_url = "https://portal.example.org"
facility = "F"
"""


@pytest.fixture
def write(tmp_path: Path):
    """Writes an example with the files that it names; gives the settings file."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    hashed = generate_password_hash("x", "pbkdf2:sha1:1")
    for name, text in (("simple_users.toml", f'root = "{hashed}"'), ("directory", "words")):
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o600)
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key"]
    made = ["-x509", "-subj", "/CN=directory", "-out", tmp_path / "directory-ca.pem"]
    subprocess.run(["openssl", "req", *key, *made], check=True, capture_output=True)

    def write(example: str) -> Path:
        path = tmp_path / "ijp.toml"
        text = example if "[common]" in example else f"[common]\n{example}"
        common = "[common]" + _COMMON.format(folder=tmp_path)
        path.write_text(text.replace("[common]", common))
        return path

    return write


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_loaded(write, example):
    path = write(example)
    app = catalog_app.app_for(settings.read(path))
    named = re.search(r"^authenticators = (\[.*\])", example, re.MULTILINE)
    answer = app.test_client().get("/icat/properties")
    shown = [one["mnemonic"] for one in answer.json["authenticators"]]
    assert named is not None
    assert shown == re.findall(r"\w+", named[1])
    app.extensions["catalog"].transactions.engine.dispose()
    read = portal_settings.read(path)
    assert ("[portal.single_sign_on]" in example) == (read.single_sign_on is not None)
    assert ("trusted_proxies" in example) == bool(read.trusted_proxies)


def test_every_authenticator_has_an_example():
    text = "".join(EXAMPLES)
    for name in available(authenticator.GROUP):
        assert f"## {name}: " in PAGE.read_text()
        assert f'"{name}"' in text
