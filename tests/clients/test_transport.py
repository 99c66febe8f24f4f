"""HTTP to a service: what is tried again, and how faults are told."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest
import requests

from ijp.errors import (
    BY_CODE,
    BadRequestError,
    InternalError,
    NotFoundError,
    PortalError,
    UnavailableError,
)
from ijp.portal import PortalClient, read_error
from ijp.transport import Transport, blocks_of, http_session, json_of


@contextmanager
def answering(*answers: bytes):
    """A port whose connections get these answers, one each, and are then closed."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = server.accept()
                except OSError:
                    # The test is over, and did not ask for all of them.
                    return
                with connection:
                    got.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", got


def response(body: bytes, status: str = "200 OK", more: bytes = b"", length: int | None = None):
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n".encode()
    return head + more + b"\r\n" + body


@pytest.fixture
def transport():
    """Makes a transport that is closed at the end."""
    made: list[requests.Session] = []

    def transport(url: str) -> Transport:
        made.append(http_session())
        return Transport(url, read_error, made[-1])

    yield transport
    for one in made:
        one.close()


def test_nobody_listens(transport):
    with pytest.raises(
        UnavailableError, match=r"http://127\.0\.0\.1:9/x does not answer: .*refused"
    ):
        transport("http://127.0.0.1:9/x").call("GET", "/y", params={"sessionId": "secret"})


def test_secrets_in_an_address_are_not_told(transport):
    with pytest.raises(UnavailableError) as caught:
        transport("http://127.0.0.1:9").call("GET", "/y", params={"sessionId": "secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://", "http://a b", "http://[::1"])
def test_what_is_no_address(transport, url):
    with pytest.raises(BadRequestError, match="is not the address of a service"):
        transport(url).call("GET", "/y")


def test_server_that_comes_late_is_waited_for():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def serve() -> None:
        time.sleep(1)
        with socket.create_server(("127.0.0.1", port)) as server:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(response(b"{}"))

    thread = threading.Thread(target=serve)
    thread.start()
    with http_session(connect_attempts=10) as http:
        late = Transport(f"http://127.0.0.1:{port}", read_error, http)
        assert json_of(late.call("POST", "/x", json={})) == {}
    thread.join()


def test_call_that_may_have_had_an_effect_is_not_repeated(transport):
    """Only connections that were not made are tried again for those."""
    with answering(b"", response(b"{}")) as (url, got):
        with pytest.raises(UnavailableError):
            transport(url).call("POST", "/jobs", json={})
        assert len(got) == 1


def test_reading_is_repeated(transport):
    with answering(b"", response(b'{"a": 1}')) as (url, got):
        assert json_of(transport(url).call("GET", "/x")) == {"a": 1}
        assert len(got) == 2


def test_gateway_that_is_restarting_is_asked_again(transport):
    with answering(response(b"", "502 Bad Gateway"), response(b"[]")) as (url, _):
        assert json_of(transport(url).call("GET", "/x")) == []


def test_redirection_is_not_followed(transport):
    """The session would go with it to wherever it leads."""
    there = b"Location: http://127.0.0.1:9/?session=secret\r\n"
    with (
        answering(response(b"[]", "302 Found", there)) as (url, _),
        pytest.raises(BadRequestError, match=r"leads to another address: http://127\.0\.0\.1:9/$"),
    ):
        transport(url).call("GET", "/x")


def test_body_that_ends_early(transport):
    with answering(response(b"half", length=100)) as (url, _):
        answer = transport(url).call("GET", "/x", stream=True)
        with pytest.raises(UnavailableError, match="broke off in its answer"):
            list(blocks_of(answer, 10))


def test_answer_that_is_not_json(transport):
    with answering(response(b"<html>")) as (url, _):
        answer = transport(url).call("GET", "/x", params={"sessionId": "secret"})
        with pytest.raises(InternalError, match=r"/x did not answer in JSON$"):
            json_of(answer)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        ("404 X", b'{"code": "not-found", "message": "no dog"}', NotFoundError, "no dog"),
        ("404 X", b"<html>nothing</html>", NotFoundError, "the portal answered 404"),
        ("500 X", b"", InternalError, "the portal answered 500"),
        ("500 X", b'["a"]', InternalError, "the portal answered 500"),
        ("503 X", b'{"message": "later"}', UnavailableError, "later"),
        ("418 X", b'{"code": "teapot", "message": "short"}', InternalError, "short"),
        ("400 X", b'{"code": "error", "message": "bad"}', BadRequestError, "bad"),
    ],
)
def test_errors_are_raised_as_what_they_were(status, body, kind, message):
    with answering(*[response(body, status)] * 4) as (url, _), http_session() as http:
        with pytest.raises(kind) as caught:
            PortalClient(url, http=http).authenticators()
        assert type(caught.value) is kind
        assert caught.value.message == message


@pytest.mark.parametrize("code", BY_CODE)
def test_each_error_survives_the_wire(code):
    body = {"code": code, "message": "so", "fields": {"a": ["b"]}, "correlationId": "x"}
    error = read_error(400, body)
    if code != "error":  # that one says nothing; the status does
        assert type(error) is BY_CODE[code]
    assert isinstance(error, PortalError)
    assert (error.message, error.fields, error.correlation_id) == ("so", {"a": ["b"]}, "x")
