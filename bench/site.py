"""An installation served as it would be, for measuring."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bench.postgresql import free_port
from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import UnavailableError
from ijp.portal import PortalClient
from jobdefs.shipped import example
from portal import facility, installation
from servicekit import database
from servicekit.embedded import Process
from servicekit.service import services

PASSWORD = "as fast as can be"


@dataclass
class Site:
    """What is served.

    Attributes:
        pids: Of the server's processes.
        root: The catalog as the user who may do everything, in this process.
    """

    folder: Path
    url: str
    database_url: str
    pids: list[int]
    root: CatalogSession

    def tables(self, service: str) -> Engine:
        """The database of a service."""
        return database.engine_for(self.database_url, service)

    def user(self, name: str) -> PortalClient:
        """Somebody who is logged in."""
        portal = PortalClient(self.url)
        portal.login("simple", {"username": name, "password": PASSWORD})
        return portal

    def catalog(self, name: str) -> CatalogSession:
        """The catalog over its socket, as somebody who is logged in."""
        credentials = {"username": name, "password": PASSWORD}
        return CatalogClient(f"{self.url}/icat").login("simple", credentials)


@dataclass(frozen=True)
class Batch:
    """Which batch system a site has.

    Attributes:
        further: Lines for the portal's settings.
    """

    engine: str = "local"
    settings: Mapping[str, Any] | None = None
    further: str = ""


@contextmanager
def served(
    folder: Path,
    database_url: str,
    users: Sequence[str],
    names: Sequence[str] = (),
    batch: Batch | None = None,
) -> Iterator[Site]:
    """The imaging facility with some more users, served by one process.

    Args:
        names: The services that are served; all if empty.
        batch: The local engine with two slots if not given.
    """
    bind = f"127.0.0.1:{free_port()}"
    its = batch or Batch()
    made = installation.make(
        folder,
        facility="imaging",
        database_url=database_url,
        public_url=f"http://{bind}",
        slots=None if batch else 2,
        engine=its.engine,
        engine_settings=its.settings,
    )
    head, mark, tail = made.settings_file.read_text().partition("[portal.engine_settings]")
    made.settings_file.write_text(f"{head}{its.further}\n{mark}{tail}")
    installation.add_users(folder / "secrets", dict.fromkeys(users, PASSWORD))
    for service in services().values():
        service.upgrade(made.settings_file)
    process = Process(made.settings_file)
    password = made.root_password_file.read_text().strip()
    catalog = CatalogClient("http://catalog.embedded/icat", process.http)
    root = catalog.login("simple", {"username": "root", "password": password})
    list(facility.load(root, facility.read(example("imaging")), "simple/ijp"))
    command = [sys.executable, "-P", "-m", "servicekit.cli", "serve", "--bind", bind]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--settings", str(made.settings_file), *names], stdout=log, stderr=log
        )
    try:
        _await(bind, server)
        children = subprocess.run(
            ["pgrep", "-P", str(server.pid)], capture_output=True, text=True, check=True
        )
        pids = [server.pid, *map(int, children.stdout.split())]
        yield Site(folder, f"http://{bind}", database_url, pids, root)
    finally:
        server.terminate()
        server.wait(60)


def _await(bind: str, server: subprocess.Popen[bytes]) -> None:
    """Until a worker answers: ``/icat/version`` is there whatever is served."""
    until = time.monotonic() + 60
    while True:
        try:
            CatalogClient(f"http://{bind}/icat").version()
            return
        except UnavailableError:
            if time.monotonic() > until or server.poll() is not None:
                raise
            time.sleep(0.1)
