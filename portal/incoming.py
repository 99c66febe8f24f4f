"""A request's body as a stream that tells when it was cut off.

The server gives the end of the connection as the end of the body, whatever length was announced.
"""

from __future__ import annotations

from typing import Protocol

from flask import request
from werkzeug.exceptions import ClientDisconnected

from ijp.errors import BadRequestError


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""


class Incoming:
    """Reads the current request's body; only ``read`` is offered."""

    def __init__(self, name: str) -> None:
        """Take the name of what arrives, for the message."""
        self._name = name
        self._stream = request.stream
        self._left = request.content_length

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none at the end.

        Raises:
            BadRequestError: The connection ended before the announced length had arrived.
        """
        try:
            block = self._stream.read(size)
        except (ClientDisconnected, OSError) as error:
            raise BadRequestError(self._fault()) from error
        if self._left is not None:
            self._left -= len(block)
            if self._left > 0 and not block:
                raise BadRequestError(self._fault())
        return block

    def _fault(self) -> str:
        return f"{self._name} did not arrive whole; nothing of it is kept"
