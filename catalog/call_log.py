"""A line of JSON for each call: who asked for what, from where, and how long it took."""

from __future__ import annotations

import json
import logging
import os
import time
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from marshmallow import Schema, fields, post_load, validate

from servicekit import client_address
from servicekit.client_address import Network
from servicekit.logs import redacted
from servicekit.settings import SettingsError

log = logging.getLogger(__name__)

READ, WRITE, SESSION, INFO = CATEGORIES = ("READ", "WRITE", "SESSION", "INFO")

_facts: ContextVar[dict[str, Any] | None] = ContextVar("call_facts", default=None)


@dataclass(frozen=True)
class CallLog:
    """Which calls are logged, and in which file."""

    file: str
    categories: frozenset[str]


class CallLogSchema(Schema):
    """The table ``[catalog.call_log]``."""

    file = fields.String(required=True, validate=validate.Length(1))
    categories = fields.List(
        fields.String(validate=validate.OneOf(CATEGORIES)), load_default=lambda: list(CATEGORIES)
    )

    @post_load
    def _frozen(self, loaded: dict[str, Any], **_: Any) -> CallLog:
        return CallLog(loaded["file"], frozenset(loaded["categories"]))


def note(category: str, operation: str, **facts: object) -> None:
    """Say what the current call does; facts that are None say nothing."""
    told(category=category, operation=operation, **facts)


def told(**facts: object) -> None:
    """Say more of the current call, such as ``userName``; never a session id or password."""
    if (known := _facts.get()) is not None:
        known.update({name: value for name, value in facts.items() if value is not None})


def install(app: Flask, given: CallLog, path: Path, trusted: tuple[Network, ...]) -> None:
    """Log the calls of an application that succeed.

    Raises:
        SettingsError: The file cannot be written.
    """
    try:
        _append(path, b"")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from error

    @app.before_request
    def _begin() -> None:
        g.outer_call = _facts.get()
        g.call_began = time.monotonic(), datetime.now(UTC)
        _facts.set({})

    @app.after_request
    def _end(response: Response) -> Response:
        facts = _facts.get()
        if (
            facts
            and response.status_code < HTTPStatus.BAD_REQUEST
            and facts.pop("category", None) in given.categories
        ):
            began, start = g.call_began
            line = {
                "operation": facts.pop("operation"),
                "ip": client_address.of(request, trusted),
                "start": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "millis": round(1000 * (time.monotonic() - began)),
                **facts,
            }
            if "query" in line:
                line["query"] = redacted(line["query"])
            _write(path, line)
        return response

    @app.teardown_request
    def _forget(error: BaseException | None) -> None:
        _facts.set(g.get("outer_call"))


def _write(path: Path, line: dict[str, Any]) -> None:
    try:
        _append(path, json.dumps(line).encode() + b"\n")
    except OSError as error:
        log.error("%s: cannot be written: %s", path, error.strerror)


def _append(path: Path, data: bytes) -> None:
    """Append in one piece, as several processes do; opened anew, for it may have been moved."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, data)
    finally:
        os.close(file)
