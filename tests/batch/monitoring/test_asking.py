"""Servers that are slow, endless, silent or no servers at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from batch.monitoring import asking
from batch.monitoring.sources import Gmond, NodeExporter, ask_all
from ijp.errors import UnavailableError


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Serves one connection after the other by a function; gives the port."""
    listening: list[socket.socket] = []
    threads: list[threading.Thread] = []
    ended = threading.Event()

    def serve(act: Callable[[socket.socket, threading.Event], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)

        def run() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        act(connection, ended)
                    except OSError:
                        continue

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield serve
    ended.set()
    for one in listening:
        one.shutdown(socket.SHUT_RDWR)
        one.close()
    for thread in threads:
        thread.join()


def drip(connection: socket.socket, ended: threading.Event) -> None:
    """Send a byte now and then, so that no single read takes long."""
    while not ended.wait(0.02):
        connection.sendall(b"x")


def say(content: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def act(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(content)

    return act


def say_page(content: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def act(connection: socket.socket, ended: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(content)

    return act


def test_whole_answer_is_bounded_in_time_however_it_comes(serve):
    port = serve(drip)
    with pytest.raises(UnavailableError, match=r"no whole answer in 0\.3 s"):
        asking.answer("127.0.0.1", port, seconds=0.3)
    with pytest.raises(UnavailableError, match=r"no whole answer in 0\.3 s"):
        asking.page(f"http://127.0.0.1:{port}/metrics", seconds=0.3)


def test_endless_answer_is_cut(serve, monkeypatch):
    monkeypatch.setattr(asking, "_LIMIT_BYTES", 1000)
    port = serve(say(b"x" * 5000))
    with pytest.raises(UnavailableError, match="more than 1000 bytes"):
        asking.answer("127.0.0.1", port, seconds=5)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 Not Found"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "no answer of a web server"),
        (b"nonsense\r\n\r\n", "no answer of a web server"),
        (b"", "no answer of a web server"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no answer of a web"),
    ],
)
def test_what_is_no_page_is_told(serve, content, told):
    port = serve(say_page(content))
    with pytest.raises(UnavailableError, match=told):
        asking.page(f"http://127.0.0.1:{port}/metrics", seconds=5)


def test_page_is_read_in_any_length(serve):
    for content in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ):
        port = serve(say_page(content))
        assert asking.page(f"http://127.0.0.1:{port}/m?a=b", seconds=5) == b"abc"


def test_source_that_is_away_slow_or_wrong_harms_no_other(serve):
    good = serve(say_page(b"HTTP/1.0 200 OK\r\n\r\nnode_load1 2\n"))
    slow, wrong = serve(drip), serve(say(b"hello"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    sources = [
        Gmond(f"127.0.0.1:{slow}"),
        Gmond(f"127.0.0.1:{wrong}"),
        Gmond(f"127.0.0.1:{nobody}"),
        Gmond("no.such.host.invalid"),
        NodeExporter(f"http://127.0.0.1:{good}/metrics"),
    ]
    *bad, last = ask_all(sources, seconds=0.4, in_all_seconds=10)
    assert [one.source for one in bad] == [one.name for one in sources[:-1]]
    told = ["no whole answer", "not what gmond sends", "refused", ""]
    assert all(words in one.fault and one.fault for words, one in zip(told, bad, strict=True))
    assert (last.fault, last.measures[0].load_1) == ("", 2.0)


def test_who_has_no_turn_in_time_is_not_asked(serve):
    port = serve(drip)
    answers = ask_all([Gmond(f"127.0.0.1:{port}")] * 40, seconds=0.2, in_all_seconds=0.3)
    assert len(answers) == 40
    assert {one.measures for one in answers} == {()}
    assert "not asked" in answers[-1].fault


@pytest.mark.parametrize("address", ["", "http://n1", "a b:1", "n1:x", "u@n1", "n1/x", "n1:99999"])
def test_what_is_no_address_of_a_gmond_is_refused(address):
    with pytest.raises(ValueError, match=r"not an address|[Pp]ort"):
        Gmond(address)


@pytest.mark.parametrize(
    "url",
    ["", "n1:9100", "ftp://n1/", "http:///x", "http://n1/a b", "http://n1/\r\nX: y", "http://ä/"],
)
def test_what_is_no_address_of_a_node_exporter_is_refused(url):
    with pytest.raises(ValueError, match="not an address"):
        NodeExporter(url)
