"""The services of the demonstration: a process that lives as long as the demonstration does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests

from ijp.errors import UnavailableError
from ijp.portal import PortalClient
from portal.demo import DemoError
from servicekit import serve as serving
from servicekit.service import services

_START_SECONDS = 120.0
_END_SECONDS = 15.0
_THREADS = 32
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


class Server:
    """The services, in a process tree of their own that ends with this process, however that ends.

    The process is a copy of this one: what has been imported need not be imported again.
    """

    def __init__(self, settings_file: Path, address: Address) -> None:
        """Prepare the process; it opens nothing before ``start``."""
        self.url = address.url
        self.log = settings_file.parent / _LOG
        self._lifeline, self._own_end = os.pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=self._serve, args=(settings_file, address)
        )
        self._process.start()
        os.close(self._lifeline)

    def start(self) -> None:
        """Begin to serve: the tables are there."""
        os.write(self._own_end, b"!")

    def _serve(self, settings_file: Path, address: Address) -> None:
        """What the process does."""
        os.close(self._own_end)
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if not os.read(self._lifeline, 1):
            return
        with self.log.open("ab") as log, open(os.devnull, "rb") as nothing:
            for source, target in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(source.fileno(), target)
        # an installation that was made for another address is served at this one
        os.environ["IJP__PUBLIC_URL"] = address.url
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        serving.serve(
            settings_file, list(services()), bind=address.bind, threads=_THREADS, background=True
        )

    def _end_with_parent(self) -> None:
        os.read(self._lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def wait_until_ready(self) -> None:
        """Come back when the portal answers.

        Raises:
            DemoError: It does not.
        """
        until = time.monotonic() + _START_SECONDS
        while True:
            self._require_alive()
            try:
                PortalClient(self.url, http=requests.Session()).authenticators()
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
        self._process.join()
        self._require_alive()

    def _require_alive(self) -> None:
        if (code := self._process.exitcode) is not None:
            words = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise DemoError(f"the server ended with status {code}: {words} (more in {self.log})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and all that it started, but for jobs, which go on."""
        os.close(self._own_end)
        self._process.terminate()
        self._process.join(_END_SECONDS)
        if self._process.exitcode is None:
            os.killpg(self._process.ident or 0, signal.SIGKILL)
            self._process.join()
