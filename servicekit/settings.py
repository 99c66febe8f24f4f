"""Settings: one TOML file, one table a service, environment variables over both."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from marshmallow import RAISE, Schema, ValidationError

T = TypeVar("T")
COMMON = "common"


class SettingsError(Exception):
    """The settings are wrong; the message names the file and every fault."""


def read(
    path: Path,
    section: str,
    schema: type[Schema],
    into: type[T],
    environment: Mapping[str, str] | None = None,
) -> T:
    """Read one service's settings.

    A value is looked for in the environment (``CATALOG__DATABASE_URL``), then in the service's
    table, then in the table ``[common]``, of which a service takes just the keys it knows.

    Args:
        schema: Checks and converts; its fields are the keys.
        into: The frozen dataclass to fill; ``base_folder``, if it has one, is the file's folder.

    Raises:
        SettingsError: The file cannot be read, or keys are unknown, missing or wrong.
    """
    document = document_of(path)
    known = schema().fields
    values = {key: value for key, value in document.get(COMMON, {}).items() if key in known}
    values |= document.get(section, {})
    variables = os.environ if environment is None else environment
    for key in known:
        for prefix in ("IJP", section.upper()):
            if (found := variables.get(f"{prefix}__{key.upper()}")) is not None:
                values[key] = found
    try:
        loaded: dict[str, Any] = dict(schema(unknown=RAISE).load(values))
    except ValidationError as error:
        raise SettingsError(f"{path}: [{section}] " + _faults(_messages(error))) from error
    if any(one.name == "base_folder" for one in fields(into)):  # type: ignore[arg-type]
        loaded["base_folder"] = path.resolve().parent
    return into(**loaded)


def document_of(path: Path) -> dict[str, Any]:
    """The whole file.

    Raises:
        SettingsError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error


def _messages(error: ValidationError) -> Mapping[str, Any]:
    found = error.messages
    return found if isinstance(found, Mapping) else {"": found}


def _faults(messages: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {_text(value)}" for key, value in sorted(messages.items()))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _faults({str(key): inner for key, inner in value.items()})
    return " ".join(str(one) for one in value) if isinstance(value, list) else str(value)
