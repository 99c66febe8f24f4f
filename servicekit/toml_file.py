"""TOML files that people write: read, checked, and every fault told with the way to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError

from servicekit.settings import SettingsError, document_of


def checked(path: Path, schema: Schema) -> dict[str, Any]:
    """What a file says, as its schema has it.

    Raises:
        SettingsError: It is missing or wrong; the message names the file and every fault.
    """
    document = document_of(path)
    try:
        return dict(schema.load(document, unknown=RAISE))
    except ValidationError as error:
        raise SettingsError(f"{path}: {'; '.join(_faults(error.messages, document))}") from error


def _faults(messages: Any, found: Any, path: str = "") -> Iterator[str]:
    """Each fault with the way to it; a member of a list by its name, if it has one."""
    if not isinstance(messages, Mapping):
        texts = messages if isinstance(messages, list) else [messages]
        yield f"{path}: {' '.join(map(str, texts))}"
        return
    for key, inner in messages.items():
        if isinstance(key, int) and isinstance(found, list):
            member = found[key]
            name = member.get("name") if isinstance(member, dict) else None
            yield from _faults(inner, member, f"{path}[{name or key + 1}]")
        else:
            member = found.get(key) if isinstance(found, dict) else None
            yield from _faults(inner, member, f"{path}.{key}".lstrip("."))
