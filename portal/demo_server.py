"""The services of the demonstration: a process that lives as long as the demonstration does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ijp.errors import UnavailableError
from ijp.portal import PortalClient
from portal.demo import DemoError

_START_SECONDS = 120.0
_END_SECONDS = 15.0
_ANY_ADDRESS = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104  # what they may bind to
_LOG = "server.log"


@dataclass(frozen=True)
class Address:
    """Where the demonstration is served.

    Attributes:
        host: As it was given; in brackets if it is an IPv6 address.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``HOST:PORT``.

        Raises:
            ValueError: It is written differently.
        """
        host, colon, port = text.rpartition(":")
        if not (colon and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
            raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8080")
        return cls(host, int(port))

    @property
    def bind(self) -> str:
        """What to listen on."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where browsers on this computer, and jobs, find it."""
        host = "127.0.0.1" if self.host in _ANY_ADDRESS else self.host
        return f"http://{host}:{self.port}"

    def require_free(self) -> None:
        """Nothing, if nobody listens there.

        Raises:
            DemoError: Somebody does, or nobody can.
        """
        host = self.host.strip("[]")
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, self.port))
            except OSError as error:
                why = error.strerror or str(error)
                raise DemoError(
                    f"cannot listen on {self.bind}: {why.lower()}; choose another with --bind"
                ) from error


@dataclass(frozen=True)
class Server:
    """The running services."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def wait_until_ready(self) -> None:
        """Come back when the portal answers.

        Raises:
            DemoError: It does not.
        """
        until = time.monotonic() + _START_SECONDS
        while True:
            self._require_alive()
            try:
                PortalClient(self.url).authenticators()
                return
            except UnavailableError as error:
                if time.monotonic() > until:
                    text = f"the server did not start in {_START_SECONDS:.0f} s, see {self.log}"
                    raise DemoError(text) from error
                time.sleep(0.05)

    def wait_for_end(self) -> None:
        """Come back when it has ended by itself, which it should not.

        Raises:
            DemoError: Always.
        """
        self.process.wait()
        self._require_alive()

    def _require_alive(self) -> None:
        if (code := self.process.poll()) is not None:
            words = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise DemoError(f"the server ended with status {code}: {words} (more in {self.log})")


@contextmanager
def server(settings_file: Path, address: Address) -> Iterator[Server]:
    """The services at an address, in a process tree of their own, until the block ends."""
    log = settings_file.parent / _LOG
    command = [sys.executable, "-P", "-m", "servicekit.cli", "serve"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, "--settings", str(settings_file), "--bind", address.bind],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # an installation that was made for another address is served at this one
            env=os.environ | {"IJP__PUBLIC_URL": address.url},
            start_new_session=True,
        )
    try:
        yield Server(process, address.url, log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, but for jobs, which go on."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
