"""A real server with trouble before it: some requests are answered with 500, or late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Trouble(ThreadingHTTPServer):
    """Passes requests on.

    Attributes:
        failing: So many of the next requests are answered with 500, and not passed on.
        late: So many of the next ones are passed on after ``seconds``.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = urlsplit(target)
        self.failing = self.late = 0
        self.seconds = 0.0
        self.requests = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def next_is_failing(self) -> bool:
        """Whether this request is to be refused; counts it."""
        with self._lock:
            self.requests += 1
            self.failing -= 1
            return self.failing >= 0

    def wait(self) -> None:
        """Let a request be late."""
        with self._lock:
            self.late -= 1
            is_late = self.late >= 0
        if is_late:
            time.sleep(self.seconds)

    def handle_error(self, *_: object) -> None:
        """Clients that do not wait for an answer are what this is for."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _pass(self) -> None:
        server: Trouble = self.server  # type: ignore[assignment]
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if server.next_is_failing():
            self._answer(500, {"Content-Length": "0"}, b"")
            return
        server.wait()
        connection = HTTPConnection(server.target.hostname or "", server.target.port, timeout=60)
        # what is signed is the address that the client knows
        headers = {key: value for key, value in self.headers.items() if key != "Expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        told = {key: value for key, value in answer.getheaders() if key != "Transfer-Encoding"}
        content = answer.read()
        if self.command != "HEAD":
            told["Content-Length"] = str(len(content))
        connection.close()
        self._answer(answer.status, told, content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with suppress(OSError):
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass


@contextmanager
def trouble(target: str) -> Iterator[Trouble]:
    """A server of its own before a real one, without trouble at first."""
    with Trouble(target) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
