"""A webhook's receiver that can fail in many ways, and a catalog that tells it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from catalog.model import ChangeEvent

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Receiver:
    """Notes every request; ``answer`` says what is answered, None for nothing for a while."""

    port: int = 0
    answer: Callable[[dict[str, Any]], int | None] = lambda _event: 204
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        """Listen; after a stop at the same place as before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                event = json.loads(body)
                status = receiver.answer(event)
                if status is None:
                    receiver.ended.wait(60)
                    return
                if 200 <= status < 300:
                    receiver.taken.append(event)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be down."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def told(self) -> list[tuple[str, str, int]]:
        """What it took, in order: entity, operation, id."""
        return [
            (one["data"]["entity"], one["data"]["operation"], one["data"]["id"])
            for one in self.taken
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.ended.set()
    made.stop()


@pytest.fixture
def settings_file(settings_file: Path, receiver: Receiver) -> Path:
    """The catalog's settings with notifications and one webhook."""
    secret = settings_file.parent / "webhook.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    with settings_file.open("a") as file:
        file.write(
            f"""
[catalog.notifications]
Dataset = "CU"
Facility = "C"
Study = "CU"
Sample = "U"
DatasetParameter = "C"

[[catalog.webhooks]]
name = "index"
url = "{receiver.url}"
secret_file = "webhook.secret"
timeout_seconds = 30
"""
        )
    return settings_file


@pytest.fixture
def waiting(engine_of: Callable[[str], Engine]) -> Callable[[], list[tuple[str, str, int]]]:
    """Gives the events that wait: entity, operation, id."""

    def waiting() -> list[tuple[str, str, int]]:
        columns = (ChangeEvent.entity, ChangeEvent.operation, ChangeEvent.entity_id)
        with engine_of("catalog").connect() as connection:
            rows = connection.execute(select(*columns).order_by(ChangeEvent.id))
            return [tuple(row) for row in rows]

    return waiting


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds; fails if it does not for long."""

    def until(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.02)

    return until
