"""Bodies as gunicorn's own parser reads them from a socket."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from servicekit import request_body
from servicekit.metrics import _Received

CONTENT = bytes(range(251)) * 20_000
HEAD = b"PUT / HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


def by_length(content: bytes) -> bytes:
    return b"%bContent-Length: %d\r\n\r\n%b" % (HEAD, len(content), content)


def by_chunks(content: bytes, size: int = 1 << 20) -> bytes:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return (
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )


def by_small_chunks(content: bytes) -> bytes:
    return by_chunks(content, 1000)


FRAMINGS = [by_length, by_chunks, by_small_chunks]


@pytest.fixture
def requests() -> Iterator[Callable[[bytes], Any]]:
    """Sends bytes to gunicorn's parser, which gives the requests in them."""
    ours, theirs = socket.socketpair()
    sending: list[threading.Thread] = []

    def send(data: bytes) -> None:
        with closing(ours):
            ours.sendall(data)

    def requests(data: bytes) -> Any:
        sending.append(threading.Thread(target=send, args=(data,)))
        sending[0].start()
        return RequestParser(Config(), theirs, ("127.0.0.1", 1))

    yield requests
    theirs.close()
    for one in sending:
        one.join()


@pytest.mark.parametrize("framed", FRAMINGS)
def test_the_pieces_are_the_body_and_the_next_request_follows(requests, framed):
    parser = requests(framed(CONTENT) + NEXT)
    pieces = list(request_body.pieces(next(parser).body))
    assert b"".join(pieces) == CONTENT
    assert all(pieces)
    assert next(parser).path == "/next"


@pytest.mark.parametrize("framed", FRAMINGS)
def test_who_stops_can_go_on_reading(requests, framed):
    body = next(requests(framed(CONTENT) + NEXT)).body
    first = body.read(10)
    pieces = request_body.pieces(body)
    some = next(pieces) + next(pieces)
    assert first + some + body.read() == CONTENT


@pytest.mark.parametrize("framed", FRAMINGS)
def test_after_a_line_the_rest_is_not_lost(requests, framed):
    content = b"a line\n" + CONTENT
    body = next(requests(framed(content))).body
    assert body.readline() == b"a line\n"
    assert b"".join(request_body.pieces(body)) == content[7:]


def test_a_body_of_known_length_that_breaks_off_is_too_short(requests):
    body = next(requests(by_length(CONTENT)[:-1000])).body
    assert b"".join(request_body.pieces(body)) == CONTENT[:-1000]


@pytest.mark.parametrize("end", [-1000, -4])
def test_chunks_that_break_off_are_an_error(requests, end):
    body = next(requests(by_chunks(CONTENT)[:end])).body
    with pytest.raises(request_body.BROKEN):
        list(request_body.pieces(body))
    assert body.failed


def test_a_chunk_that_is_none_is_an_error(requests):
    body = next(requests(by_chunks(b"abc").replace(b"3\r\n", b"x\r\n", 1))).body
    with pytest.raises(request_body.BROKEN):
        list(request_body.pieces(body))


def test_other_streams_are_read_in_blocks():
    pieces = list(request_body.pieces(io.BytesIO(CONTENT)))
    assert [len(piece) for piece in pieces] == [1 << 20] * 4 + [len(CONTENT) % (1 << 20)]


def test_what_is_received_in_pieces_is_counted(requests):
    received = _Received(next(requests(by_length(CONTENT))).body)
    assert b"".join(request_body.pieces(received)) == CONTENT
    assert received.size == len(CONTENT)
