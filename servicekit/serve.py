"""Serving: one process with threads for any set of services."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from servicekit import logs, metrics
from servicekit.embedded import Process
from servicekit.service import Background, Service, services

log = logging.getLogger(__name__)

DISPATCHED = "portal"
"""The service whose background work is the dispatcher's where it is served alone."""


class Router:
    """A WSGI application that hands each request to the service of its first path segment."""

    def __init__(self, process: Process, served: Iterable[Service]) -> None:
        self._apps = {
            prefix: process.app(service.name) for service in served for prefix in service.prefixes
        }
        self._rest = self._apps.get("/")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == metrics.PATH:
            return metrics.answer(environ, start_response)
        segment = "/" + environ.get("PATH_INFO", "/").split("/", 2)[1]
        app = self._apps.get(segment, self._rest)
        if app is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no service here answers this path\n"]
        return app(environ, start_response)


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(
        self, settings_file: Path, names: list[str], background: bool, options: dict[str, Any]
    ) -> None:
        self._settings_file = settings_file
        self._names = names
        self._background = background
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Router:
        logs.configure()
        process = Process(self._settings_file)
        installed = services()
        router = Router(process, [installed[name] for name in self._names])
        for name in self._names:
            begins = self._background or name != DISPATCHED
            if (start := installed[name].background) and begins:
                start(self._settings_file, process.http)
        _collect_seldom()
        return router


def _collect_seldom() -> None:
    """Leave what is there for good out of the search for garbage, and search less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def serve(
    settings_file: Path,
    names: list[str],
    *,
    bind: str,
    threads: int,
    workers: int = 1,
    background: bool = False,
) -> None:
    """Serve until told to end.

    Args:
        background: Run the portal's background work, which is the dispatcher's, in each worker
            too. Workers agree through the database on which of them does it.
    """
    options = {
        "bind": bind,
        "worker_class": "gthread",
        "threads": threads,
        "workers": workers,
        "timeout": 0,
        "graceful_timeout": 5,
        "limit_request_line": 0,
        "accesslog": None,
        "control_socket_disable": True,
        "keepalive": 15,
        "proc_name": "ijpd",
    }
    _Server(settings_file, names, background, options).run()


def run_background(settings_file: Path, name: str, metrics_port: int | None = None) -> None:
    """Run only the background work of a service, in this process, until told to end.

    Args:
        metrics_port: Of this host, where its numbers are told; None is nowhere.
    """
    logs.configure()
    end_metrics = metrics.serve(metrics_port) if metrics_port is not None else None
    process = Process(settings_file)
    start = services()[name].background
    if start is None:
        raise ValueError(f"{name} has no background work")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    running: Background = start(settings_file, process.http)
    ended.wait()
    running.stop()
    if end_metrics is not None:
        end_metrics()
