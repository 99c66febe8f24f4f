"""What authenticators have in common in their settings: checks, secret files, user names."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from catalog.auth.authenticator import Surroundings
from ijp.errors import NotAuthenticatedError
from servicekit.settings import SettingsError

LONGEST_NAME = 200


class AuthenticatorSchema(Schema):
    """The keys of every authenticator.

    ``friendly`` is what users see instead of its name; ``mechanism`` stands before the user's name
    and a slash, empty for nothing.
    """

    friendly = fields.String(validate=validate.Length(1, 100))
    mechanism = fields.String(validate=validate.Regexp(r"[A-Za-z0-9_.-]*\Z", error="not a name"))


def checked(name: str, schema: type[Schema], surroundings: Surroundings) -> dict[str, Any]:
    """An authenticator's own settings, with what they are when left out.

    Raises:
        SettingsError: A key is unknown, missing or wrong.
    """
    try:
        loaded: dict[str, Any] = dict(schema(unknown=RAISE).load(surroundings.settings))
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, dict) else {"": error.messages}
        faults = "; ".join(f"{key}: {_text(found)}" for key, found in sorted(messages.items()))
        raise SettingsError(f"[catalog.authenticator_settings.{name}] {faults}") from error
    return {"mechanism": name, **loaded}


def _text(found: Any) -> str:
    if isinstance(found, dict):
        return ", ".join(_text(one) for one in found.values())
    return " ".join(map(str, found)) if isinstance(found, list) else str(found)


def secret(path: Path) -> str:
    """The text of a file that nobody but its owner may read.

    Raises:
        SettingsError: It cannot be read, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(f"{path}: others may read it (mode {mode:o}); make it mode 600")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not text: {error}") from error


def full_name(mechanism: str, name: str) -> str:
    """A user's full name, such as ``ldap/ana``.

    Raises:
        NotAuthenticatedError: What was given as the name will not do; without a mechanism one with
            a slash will not, which would be a user of another mechanism.
    """
    will_do = name.isprintable() and name == name.strip() and 0 < len(name) <= LONGEST_NAME
    if not will_do or (not mechanism and "/" in name):
        raise NotAuthenticatedError(f"{name[:LONGEST_NAME]!r} will not do as a user name")
    return f"{mechanism}/{name}" if mechanism else name
