"""Accounts with known passwords, for servers that are thrown away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import insert
from werkzeug.security import generate_password_hash

from catalog import settings
from catalog.model import Password
from servicekit import database
from servicekit.settings import SettingsError

# quick to check: these passwords stand in a file for everybody to read
_METHOD = "pbkdf2:sha256:1000"


def add_accounts(settings_file: Path, accounts: Mapping[str, Mapping[str, str]]) -> None:
    """Add accounts of the authenticators simple and db; the passwords may be short.

    Passwords of ``simple`` are also written to files named after the users, beside the file with
    their hashes.

    Raises:
        SettingsError: There are accounts for another authenticator.
    """
    if unknown := accounts.keys() - {"simple", "db"}:
        raise SettingsError(f"{settings_file}: no accounts can be made for {', '.join(unknown)}")
    given = settings.read(settings_file)
    if (simple := accounts.get("simple")) and given.simple_users_file:
        _write_simple(given.path(given.simple_users_file), simple)
    if found := accounts.get("db"):
        engine = database.engine_for(given.database_url, "catalog")
        database.upgrade(engine, "catalog")
        rows = [{"user_name": name, "hash": _hash(word)} for name, word in found.items()]
        with database.writing(engine).begin() as connection:
            connection.execute(insert(Password), rows)
        engine.dispose()


def _hash(password: str) -> str:
    return generate_password_hash(password, _METHOD)


def _write_simple(users: Path, passwords: Mapping[str, str]) -> None:
    users.parent.mkdir(mode=0o700, exist_ok=True)
    lines = (f"{json.dumps(name)} = {json.dumps(_hash(word))}" for name, word in passwords.items())
    _write_secret(users, "\n".join(lines) + "\n")
    for name, word in passwords.items():
        _write_secret(users.parent / name, word)


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
