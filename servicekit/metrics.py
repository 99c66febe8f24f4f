"""What the services count, at ``/metrics`` in Prometheus' form.

Only this host is answered, and no proxy on it: who scrapes from elsewhere is let through by a
proxy's own rule for that path, or runs beside the service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any, cast

from flask import Flask, request
from prometheus_client import (
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    make_wsgi_app,
    start_http_server,
)

from servicekit import request_body

PATH = "/metrics"

_ENDPOINT = "ijp.endpoint"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_REQUESTS = Counter(
    "ijp_requests_total", "Requests answered.", ("service", "endpoint", "method", "status")
)
_DURATION = Histogram(
    "ijp_request_seconds",
    "From a request's beginning to the last byte of its answer.",
    ("service", "endpoint"),
    buckets=_SECONDS,
)
_SENT = Counter("ijp_sent_bytes_total", "Bytes of answers.", ("service", "endpoint"))
_RECEIVED = Counter("ijp_received_bytes_total", "Bytes of requests.", ("service", "endpoint"))

_served = make_wsgi_app(REGISTRY)


def gauge(name: str, help: str, value: Callable[[], float]) -> Gauge:
    """Register a number that is asked for at each scrape, such as the length of a queue."""
    made = Gauge(name, help)
    made.set_function(value)
    return made


def serve(port: int) -> Callable[[], None]:
    """Tell the numbers at a port of this host, where there is no other server; gives its end."""
    server, thread = start_http_server(port, addr="127.0.0.1")

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end


def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The numbers, as a WSGI application."""
    if not _is_local(environ):
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"only for this host\n"]
    served: Iterable[bytes] = _served(environ, start_response)
    return served


def _is_local(environ: dict[str, Any]) -> bool:
    if "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ:
        return False
    try:
        return ip_address(environ.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def install(app: Flask, service: str) -> None:
    """Count an application's requests, by the name of the call that answers."""
    app.before_request(_name_endpoint)
    app.wsgi_app = _Measured(app.wsgi_app, service)  # type: ignore[method-assign]


def _name_endpoint() -> None:
    request.environ[_ENDPOINT] = request.endpoint or "none"


class _Measured:
    """A WSGI application whose requests are counted."""

    def __init__(self, inner: Any, service: str) -> None:
        self._inner = inner
        self._service = service

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        began, told = time.perf_counter(), _Told()
        received = environ["wsgi.input"] = _Received(environ.get("wsgi.input"))

        def started(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            told.status = line.split(" ", 1)[0]
            told.length = int(dict(headers).get("Content-Length", 0))
            return start_response(line, headers, *rest)

        body = self._inner(environ, started)
        names = (self._service, str(environ.get(_ENDPOINT, "none")))

        def ended() -> None:
            _REQUESTS.labels(*names, environ["REQUEST_METHOD"], told.status).inc()
            _DURATION.labels(*names).observe(time.perf_counter() - began)
            _RECEIVED.labels(*names).inc(received.size)

        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            # The server sends the file by itself, and only if it is this very object.
            _SENT.labels(*names).inc(told.length)
            body.close = _both(getattr(body, "close", None), ended)  # type: ignore[attr-defined]
            return cast(Iterable[bytes], body)
        return _Sent(body, _SENT.labels(*names).inc, ended)


class _Told:
    """What the application said of its answer."""

    status = "500"
    length = 0


def _both(first: Callable[[], object] | None, then: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        try:
            if first:
                first()
        finally:
            then()

    return both


class _Sent:
    """An answer's body, counted as it is sent."""

    def __init__(
        self, body: Iterable[bytes], count: Callable[[float], None], ended: Callable[[], None]
    ) -> None:
        self._body = body
        self._blocks = iter(body)
        self._count = count
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = next(self._blocks)
        self._count(len(block))
        return block

    def close(self) -> None:
        _both(getattr(self._body, "close", None), self._ended)()


class _Received:
    """A request's body, counted as it is read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.size = 0

    def _add(self, block: bytes) -> bytes:
        self.size += len(block)
        return block

    def read(self, *size: int) -> bytes:
        return self._add(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._add(self._stream.readline(*size))

    def pieces(self) -> Iterator[bytes]:
        return (self._add(piece) for piece in request_body.pieces(self._stream))

    def __iter__(self) -> Iterator[bytes]:
        return (self._add(line) for line in self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
