"""The portal's secrets: files that nobody but its own account may read."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from servicekit.settings import SettingsError

SESSION_KEY = "portal_session.key"
"""Fernet keys, one a line, for stored catalog sessions; the first one encrypts."""
COOKIE_KEY = "portal_cookie.key"
"""Signs the cookie that holds a browser's CSRF token."""
SERVICE_PASSWORD = "service_password"  # noqa: S105  # a file's name
"""Of the portal's own account at the catalog."""


def read(folder: Path, name: str) -> str:
    """A secret.

    Raises:
        SettingsError: The file is missing, empty, or others may read it.
    """
    path = folder / name
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        found = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read: {error.strerror}; `ijpd init` makes it"
        ) from error
    if mode & 0o077:
        raise SettingsError(f"{path}: others may read it (mode {mode:04o}); use chmod 0600")
    if not found:
        raise SettingsError(f"{path}: empty")
    return found


def write(path: Path, text: str) -> None:
    """Write a new secret file, private from its first moment.

    Raises:
        FileExistsError: There is one: secrets are never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        target.write(text)


def make(folder: Path) -> None:
    """Make those of the portal's secrets that are not there yet."""
    made: dict[str, Callable[[], str]] = {
        SESSION_KEY: lambda: Fernet.generate_key().decode(),
        COOKIE_KEY: lambda: secrets.token_urlsafe(32),
        SERVICE_PASSWORD: lambda: secrets.token_urlsafe(32),
    }
    for name, random in made.items():
        if not (folder / name).exists():
            write(folder / name, random() + "\n")
