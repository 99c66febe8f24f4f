"""Services of one process are called by the usual client, bodies streaming both ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask, Response, request, stream_with_context

from ijp.errors import NotFoundError, PortalError
from ijp.transport import Transport
from servicekit import embedded
from servicekit.service import Service


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> requests.Session:
    app = Flask("echo")

    @app.post("/echo/body")
    def body() -> Response:
        sizes = iter(lambda: request.stream.read(1000), b"")
        return Response(str(sum(len(part) for part in sizes)))

    @app.get("/echo/words")
    def words() -> Response:
        @stream_with_context
        def parts() -> Iterator[bytes]:
            yield from (b"one ", b"two ", request.args["last"].encode())

        return Response(parts(), headers={"X-Path": request.path})

    @app.get("/echo/missing")
    def missing() -> tuple[Response, int]:
        return Response('{"message": "none here"}', mimetype="application/json"), 404

    @app.route("/echo/told/<path:name>", methods=["GET", "POST"])
    def told(name: str) -> dict[str, object]:
        own = {one: request.headers.get(one) for one in ("Authorization", "Content-Type")}
        return {
            "name": name,
            "args": request.args.to_dict(flat=False),
            "form": request.form.to_dict(flat=False),
            "json": request.get_json(silent=True),
            **own,
        }

    made = Service("echo", ("/echo",), lambda *_: app, lambda _: "sqlite://")
    monkeypatch.setattr(embedded, "services", lambda: {"echo": made})
    return embedded.Process(tmp_path / "ijp.toml").http


def transport(http: requests.Session) -> Transport:
    return Transport(
        "http://echo.embedded/echo",
        lambda status, body: NotFoundError(body["message"]) if status == 404 else PortalError("?"),
        http,
    )


def test_chunks_of_unknown_length_arrive_whole(http: requests.Session) -> None:
    chunks = (b"x" * 70_001 for _ in range(3))
    assert transport(http).call("POST", "/body", body=chunks).text == str(3 * 70_001)


def test_answer_is_streamed_with_its_headers(http: requests.Session) -> None:
    answer = transport(http).call("GET", "/words", params={"last": "drei ä"}, stream=True)
    assert answer.headers["X-Path"] == "/echo/words"
    assert b"".join(answer.iter_content(3)).decode() == "one two drei ä"


def test_callers_request_stays_its_own_while_an_answer_streams(http: requests.Session) -> None:
    outer = Flask("outer")
    with outer.test_request_context("/outer"):
        answer = transport(http).call("GET", "/words", params={"last": "x"}, stream=True)
        parts = answer.iter_content(2)
        next(parts)
        assert request.path == "/outer"
        assert b"".join(parts).endswith(b"x")


def test_error_is_raised_as_the_service_told_it(http: requests.Session) -> None:
    with pytest.raises(NotFoundError, match="none here"):
        transport(http).call("GET", "/missing")


_CALLS = {
    "parameters": ("GET", {"params": {"q": "ä &=+%", "many": ["1", "2"], "none": None}}),
    "form": ("POST", {"data": {"text": "drei ä &=+", "many": ["1", "2"]}}),
    "json": ("POST", {"json": {"ä": [1, None]}}),
    "headers": ("GET", {"headers": {"Authorization": "Bearer a b"}}),
}


@pytest.mark.parametrize("name", _CALLS)
def test_short_way_says_what_requests_say(http: requests.Session, name: str) -> None:
    """A call that follows redirects goes the long way."""
    method, options = _CALLS[name]
    url = "http://echo.embedded/echo/told/x y%2Fz/ä"
    short = http.request(method, url, allow_redirects=False, **options)
    long = http.request(method, url, allow_redirects=True, **options)
    assert short.json() == long.json()
    assert short.json()["name"] == "x y/z/ä"
    assert (short.url, short.headers["Content-Type"]) == (long.url, long.headers["Content-Type"])
