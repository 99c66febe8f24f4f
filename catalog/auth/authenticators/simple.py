"""Users whose password hashes are in a small file of the facility."""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path

from catalog.auth import passwords
from catalog.auth.authenticator import (
    USERNAME_AND_PASSWORD,
    Authenticator,
    Surroundings,
    no_match,
    username_and_password,
)
from catalog.auth.plugin_settings import secret
from servicekit.settings import SettingsError


class SimpleAuthenticator(Authenticator):
    """Checks a username and password against a TOML file with a line ``user = "hash"`` for each.

    A hash is one of crypt(3) that begins with ``$5$`` or ``$6$``, or one of Werkzeug's.
    """

    friendly = "Local account"
    keys = USERNAME_AND_PASSWORD

    def __init__(self, surroundings: Surroundings) -> None:
        given = surroundings.settings.get("users_file")
        if not isinstance(given, str):
            raise SettingsError("the authenticator simple needs simple_users_file")
        self._hashes = _read(surroundings.path(given))

    def authenticate(self, credentials: Mapping[str, str]) -> str:
        name, password = username_and_password(credentials)
        found = self._hashes.get(name)
        if not passwords.matches(found or self._somebody(name), password) or found is None:
            raise no_match()
        return f"simple/{name}"

    def _somebody(self, name: str) -> str:
        """A real hash, always the same for a name: the time tells nothing of who is there."""
        hashes = list(self._hashes.values()) or [passwords.of_nobody()]
        return hashes[zlib.crc32(name.encode("utf-8", "replace")) % len(hashes)]


def _read(path: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(secret(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    wrong = [
        name
        for name, hash in found.items()
        if not (isinstance(hash, str) and passwords.is_hash(hash))
    ]
    if wrong:
        raise SettingsError(f"{path}: no hash that is understood for {', '.join(wrong)}")
    return found
