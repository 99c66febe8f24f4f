"""Bodies of requests in the pieces in which they arrive.

gunicorn's own ``read(size)`` copies what it received several times to give just that size, which
takes longer than all that is done with a large upload otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gunicorn.http.body import (  # type: ignore[import-untyped]
    Body,
    ChunkedReader,
    LengthReader,
)
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

BLOCK_BYTES = 1 << 20

BROKEN: tuple[type[Exception], ...] = (OSError, ParseException, ClientDisconnected)
"""What reading raises when the client has gone, or does not keep to HTTP."""


def pieces(stream: Any) -> Iterator[bytes]:
    """What is left of a body, in pieces of at most 1 MiB, none of them empty.

    When not all of them were taken, ``read`` goes on after the last one.

    Raises:
        Exception: One of ``BROKEN``.
    """
    if hasattr(stream, "pieces"):
        yield from stream.pieces()
    elif type(stream) is Body:
        yield from _of_gunicorn(stream)
    else:
        while block := stream.read(BLOCK_BYTES):
            yield block


def _of_gunicorn(body: Any) -> Iterator[bytes]:
    if read_ahead := body.buf.tell():
        yield body.read(read_ahead)
    try:
        if type(body.reader) is ChunkedReader:
            yield from _of_chunks(body.reader)
        elif type(body.reader) is LengthReader:
            yield from _of_length(body.reader)
    except Exception:
        # As its own read does: nothing more comes of this connection.
        body.failed = True
        raise
    while block := body.read(BLOCK_BYTES):
        yield block


def _of_chunks(reader: Any) -> Iterator[bytes]:
    if read_ahead := reader.buf.tell():
        yield reader.read(read_ahead)
    while reader.parser:
        piece = next(reader.parser, None)
        if piece is None:
            reader.parser = None
        elif piece:
            yield piece


def _of_length(reader: Any) -> Iterator[bytes]:
    while reader.length and (piece := reader.unreader.read(None, read_ahead=reader.length)):
        if len(piece) > reader.length:
            # What follows is the next request.
            reader.unreader.unread(piece[reader.length :])
            piece = piece[: reader.length]
        reader.length -= len(piece)
        yield piece
