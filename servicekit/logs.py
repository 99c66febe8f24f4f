"""Logging, configured once: request id and user on every line, secrets on none."""

from __future__ import annotations

import logging
import logging.config
import re
import secrets
import time
from contextvars import ContextVar

from flask import Flask, Response, g, request

log = logging.getLogger(__name__)

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_user: ContextVar[str] = ContextVar("user", default="-")

_SECRET = re.compile(
    r"(?i)(session ?id[\"']?\s*[=:]\s*[\"']?|preparedId=|token[\"']?\s*[=:]\s*[\"']?|bearer\s+"
    r"|password[\"']?\s*[=:]\s*[\"']?|/session/)[^\s&\"',;}]+"
)


def redacted(text: str) -> str:
    """Text in which the values of sessions, tokens, passwords and prepared ids are replaced."""
    return _SECRET.sub(r"\1…", text)


def correlation_id() -> str | None:
    """What identifies the current request in the log; None outside a request."""
    return _correlation_id.get()


def set_user(name: str) -> None:
    """Put a user's name on the log lines of the current request."""
    _user.set(name)


class _Line(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        record.request = _correlation_id.get() or "-"
        record.user = _user.get()
        return redacted(super().format(record))


def configure(level: str = "INFO") -> None:
    """Send everything to standard error, one line an event."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": _Line,
                    "format": "%(asctime)sZ %(levelname)s %(name)s [%(request)s %(user)s] "
                    "%(message)s",
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": level, "handlers": ["stderr"]},
            "loggers": {
                "alembic": {"level": "WARNING"},
                "gunicorn": {"level": "WARNING"},
                "urllib3": {"level": "WARNING"},
            },
        }
    )


def install(app: Flask) -> None:
    """Give each request an id (the caller's, if it is inside this process) and log its end."""

    @app.before_request
    def _begin() -> None:
        g.outer_log_context = (_correlation_id.get(), _user.get())
        if _correlation_id.get() is None:
            _correlation_id.set(secrets.token_hex(6))
        g.request_began = time.monotonic()

    @app.after_request
    def _end(response: Response) -> Response:
        if began := g.get("request_began"):
            log.info(
                "%s %s %s %.0f ms",
                request.method,
                request.path,
                response.status_code,
                1000 * (time.monotonic() - began),
            )
        response.headers.setdefault("X-Request-Id", correlation_id() or "-")
        return response

    @app.teardown_request
    def _forget(error: BaseException | None) -> None:
        outer_id, outer_user = g.get("outer_log_context", (None, "-"))
        _correlation_id.set(outer_id)
        _user.set(outer_user)
