"""Asking a server over TCP, with a limit to the whole time and to the size of its answer."""

from __future__ import annotations

import io
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.parse import urlsplit

from ijp.errors import UnavailableError

_BLOCK_BYTES = 64 * 1024
_LIMIT_BYTES = 64 * 1024 * 1024
_OK = 200


def answer(
    host: str, port: int, *, seconds: float, request: bytes = b"", tls: bool = False
) -> bytes:
    """All that a server sends until it closes the connection.

    Raises:
        UnavailableError: It cannot be reached, or takes longer, or sends more than 64 MiB.
    """
    until = time.monotonic() + seconds
    try:
        with socket.create_connection((host, port), timeout=seconds) as plain:
            connection = _encrypted(plain, host) if tls else plain
            with connection:
                return _all(connection, request, until)
    except TimeoutError:
        raise UnavailableError(f"no whole answer in {seconds:g} s") from None
    except (OSError, UnicodeError) as error:
        raise UnavailableError(getattr(error, "strerror", None) or str(error)) from error


def page(url: str, *, seconds: float) -> bytes:
    """What a web server answers to a GET; redirects are not followed.

    Raises:
        UnavailableError: As ``answer``, or it answers anything else than 200.
    """
    place = urlsplit(url)
    tls = place.scheme == "https"
    request = (
        f"GET {place.path or '/'}{'?' + place.query if place.query else ''} HTTP/1.0\r\n"
        f"Host: {place.netloc.rpartition('@')[2]}\r\nAccept: text/plain\r\n"
        "User-Agent: ijp\r\nConnection: close\r\n\r\n"
    )
    port = place.port or (443 if tls else 80)
    told = answer(
        place.hostname or "", port, seconds=seconds, request=request.encode("ascii"), tls=tls
    )
    response = HTTPResponse(cast(socket.socket, _Told(told)), method="GET")
    try:
        response.begin()
        content = response.read()
    except (HTTPException, ValueError) as error:
        raise UnavailableError(f"this is no answer of a web server: {error!r}") from error
    if response.status != _OK:
        raise UnavailableError(f"it answers {response.status} {response.reason[:100]}")
    return content


def _encrypted(plain: socket.socket, host: str) -> socket.socket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _all(connection: socket.socket, request: bytes, until: float) -> bytes:
    if request:
        connection.settimeout(_left(until))
        connection.sendall(request)
    found: list[bytes] = []
    size = 0
    while True:
        connection.settimeout(_left(until))
        block = connection.recv(_BLOCK_BYTES)
        if not block:
            return b"".join(found)
        found.append(block)
        size += len(block)
        if size > _LIMIT_BYTES:
            raise UnavailableError(f"it sends more than {_LIMIT_BYTES} bytes")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Told:
    """What a server has sent, for who reads from a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)
