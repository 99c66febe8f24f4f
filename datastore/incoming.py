"""The body of the current request, read as it arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import IO

from flask import Response, request

from datastore.digests import BLOCK_BYTES
from ijp.errors import BadRequestError, PortalError
from servicekit import request_body

_LISTEN_ON_SECONDS = 10.0
_BROKE_OFF = "the upload broke off"


class Reading:
    """The request's body; that it breaks off is the client's fault, however the server says so."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes.

        Raises:
            BadRequestError: The connection broke.
        """
        try:
            return self._stream.read(size)
        except request_body.BROKEN as error:
            raise BadRequestError(_BROKE_OFF) from error


def pieces_of_body() -> Iterator[bytes]:
    """The current request's body, as large pieces of it as are there at once.

    Raises:
        BadRequestError: The connection broke.
    """
    try:
        yield from request_body.pieces(request.stream)
    except request_body.BROKEN as error:
        raise BadRequestError(_BROKE_OFF) from error


def heard_out(answer: Callable[[], Response]) -> Response:
    """Read on after an error: a client that is still sending would not see the answer."""
    try:
        return answer()
    except PortalError:
        until = time.monotonic() + _LISTEN_ON_SECONDS
        try:
            while time.monotonic() < until and request.stream.read(BLOCK_BYTES):
                pass
        except request_body.BROKEN:
            # It has gone: there is nobody to answer.
            pass
        raise
