"""Services of one process reach each other by the same client, without a socket.

A URL such as ``http://catalog.embedded/icat`` stands for the service ``catalog`` of this process.
"""

from __future__ import annotations

import contextvars
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from flask import Flask
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict, HTTPResponse

from ijp.transport import http_session
from servicekit.client_address import IN_PROCESS
from servicekit.service import services

SUFFIX = ".embedded"


class Process:
    """The services of one process, each made when it is first needed."""

    def __init__(self, settings_file: Path, ca_bundle: str | None = None) -> None:
        self.settings_file = settings_file
        self.http = http_session(ca_bundle=ca_bundle, kind=_Session)
        self._apps: dict[str, Flask] = {}
        for name in services():
            self.http.mount(f"http://{name}{SUFFIX}", WsgiAdapter(self, name))

    def app(self, name: str) -> Flask:
        """The application of a service."""
        if name not in self._apps:
            self._apps[name] = services()[name].create_app(self.settings_file, self.http)
        return self._apps[name]


_LEAN = frozenset({"params", "data", "json", "headers", "stream", "timeout", "auth"})
"""What a call within the process may have for the short way."""


class _Session(requests.Session):
    """Has cookies, proxies and the like only where a call leaves the process."""

    def request(self, method: Any, url: Any, *more: Any, **options: Any) -> requests.Response:
        """Make a call; within the process without what requests do for servers elsewhere."""
        if not more and options.get("allow_redirects") is False:
            parts = urlsplit(str(url))
            own = {name: value for name, value in options.items() if name != "allow_redirects"}
            is_within = str(parts.hostname).endswith(SUFFIX) and own.keys() <= _LEAN
            if is_within and not isinstance(own.get("auth"), tuple):
                return self._within(method, url, own)
        return super().request(method, url, *more, **options)

    def _within(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        prepared = requests.PreparedRequest()
        prepared.method = method
        prepared.headers = CaseInsensitiveDict(options.get("headers") or {})
        if query := prepared._encode_params(options.get("params") or {}):  # type: ignore[attr-defined]
            url = f"{url}{'&' if '?' in url else '?'}{query}"
        prepared.url = requests.utils.requote_uri(url)
        prepared.prepare_body(options.get("data"), None, options.get("json"))
        if auth := options.get("auth"):
            prepared = auth(prepared)
        adapter = self.get_adapter(str(prepared.url))
        return adapter.send(prepared, stream=options.get("stream", False))

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        if str(urlsplit(url).hostname).endswith(SUFFIX):
            return {"proxies": {}, "stream": stream, "verify": verify, "cert": cert}
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class WsgiAdapter(BaseAdapter):
    """A requests adapter that calls a WSGI application; bodies stream both ways."""

    def __init__(self, process: Process, name: str) -> None:
        super().__init__()
        self._process = process
        self._name = name

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *_: Any, **__: Any
    ) -> requests.Response:
        """Call the application; gives back when it has begun to answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            started[:] = [(status, headers)]
            return None

        app = self._process.app(self._name)
        inner = contextvars.copy_context()
        closing = inner.run(app.wsgi_app, _environ(request), start_response)
        body = _inside(inner, iter(closing))
        first = next(body, b"")
        status_line, headers = started[0]
        response = requests.Response()
        response.status_code = int(status_line.split()[0])
        response.reason = status_line.partition(" ")[2]
        response.headers = CaseInsensitiveDict(HTTPHeaderDict(headers))
        if stream or "Content-Encoding" in response.headers:
            response.raw = HTTPResponse(
                body=_Reader(first, body, inner, closing),
                headers=HTTPHeaderDict(headers),
                status=response.status_code,
                reason=response.reason,
                preload_content=False,
                decode_content=False,
                request_method=request.method,
            )
        else:
            try:
                response._content = b"".join([first, *body])
                response._content_consumed = True  # type: ignore[attr-defined]
            finally:
                _close(inner, closing)
        response.url = request.url or ""
        response.request = request
        response.encoding = requests.utils.get_encoding_from_headers(response.headers) or "utf-8"
        return response

    def close(self) -> None:
        """Nothing is held."""


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    parts = urlsplit(request.url or "")
    path = unquote(parts.path, "latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        IN_PROCESS: True,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": _input(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = text
    return environ


def _input(body: Any) -> Any:
    if body is None:
        return io.BytesIO()
    if isinstance(body, str):
        return io.BytesIO(body.encode())
    if isinstance(body, bytes | bytearray):
        return io.BytesIO(body)
    if hasattr(body, "read"):
        return body
    return io.BufferedReader(_Chunks(iter(body)), 1 << 16)


class _Chunks(io.RawIOBase):
    """An iterable of bytes, readable as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = bytes(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class _Reader(io.BufferedReader):
    """An answer's body as a file; closing it closes the application's iterable."""

    def __init__(
        self,
        first: bytes,
        rest: Iterator[bytes],
        inner: contextvars.Context,
        closing: Iterable[bytes],
    ) -> None:
        self._inner = inner
        self._closing = closing
        super().__init__(_Chunks(_chain(first, rest)), 1 << 16)

    def close(self) -> None:
        if not self.closed:
            super().close()
            _close(self._inner, self._closing)


def _close(inner: contextvars.Context, closing: Iterable[bytes]) -> None:
    if callable(close := getattr(closing, "close", None)):
        inner.run(close)


def _inside(inner: contextvars.Context, body: Iterator[bytes]) -> Iterator[bytes]:
    """Each part is made in the callee's own context: the caller's request stays the caller's."""
    while (part := inner.run(next, body, None)) is not None:
        yield part


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
