"""A whole portal of a facility: real catalog, data service, engine, and HTTP for jobs."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash
from werkzeug.serving import make_server

from ijp.catalog import CatalogClient, CatalogSession
from ijp.datastore import DatastoreClient
from ijp.portal import PortalClient
from portal import facility, installation
from portal.model import JobRow
from portal.services import Services
from portal.states import FINAL, State
from servicekit.embedded import Process
from servicekit.serve import Router
from servicekit.service import Background, services

PASSWORDS = {"ana": "ana's own words", "ben": "ben's own words"}
FACILITY = Path(__file__).parent / "portal" / "facility"


@dataclass
class Portal:
    """One portal.

    Attributes:
        url: Where it is served; also for jobs.
        users: By name without mechanism, a client that is logged in.
        passwords: Of the users.
    """

    settings_file: Path
    process: Process
    url: str
    root: CatalogSession
    users: dict[str, PortalClient] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=lambda: PASSWORDS)
    background: Background | None = None

    @property
    def folder(self) -> Path:
        """Where everything is."""
        return self.settings_file.parent

    @property
    def app(self) -> Flask:
        """The portal's application, which is also what answers under ``url``."""
        return self.process.app("portal")

    def number_of_jobs(self) -> int:
        """How many there are, of all users."""
        with Session(self.services.database) as transaction:
            return transaction.scalar(select(func.count()).select_from(JobRow)) or 0

    @property
    def services(self) -> Services:
        """What the application works with."""
        found: Services = self.app.extensions["ijp"]
        return found

    def start(self) -> None:
        """Start the dispatcher in a thread."""
        start = services()["portal"].background
        assert start is not None
        self.background = start(self.settings_file, self.process.http)

    def stop(self) -> None:
        """Stop it."""
        if self.background is not None:
            self.background.stop()
            self.background = None

    def user(self, name: str = "ana") -> PortalClient:
        """A client of a user who is logged in."""
        if name not in self.users:
            client = PortalClient(self.url)
            client.login("simple", {"username": name, "password": self.passwords[name]})
            self.users[name] = client
        return self.users[name]

    def browser(self, name: str = "ana") -> FlaskClient:
        """A browser of a user who is logged in."""
        client = self.app.test_client()
        with self.app.test_request_context():
            _, cookie = self.services.sessions.login(
                "simple", {"username": name, "password": self.passwords[name]}
            )
        client.set_cookie("ijp_session", cookie)
        return client

    def investigation(self, name: str) -> int:
        """The id of an investigation."""
        text = "SELECT i.id FROM Investigation i WHERE i.name = '" + name + "'"
        return int(self.root.search(text)[0])

    def dataset(
        self,
        name: str,
        *,
        investigation: str = "A",
        channels: int = 3,
        files: dict[str, bytes] | None = None,
        type: str = "raw",
    ) -> int:
        """Make a complete dataset with files."""
        kinds = self.root.search("SELECT t.name, t.id FROM DatasetType t")
        types = self.root.search("SELECT t.name, t.id FROM ParameterType t")
        formats = self.root.search("SELECT f.id FROM DatafileFormat f")
        made = self.root.create(
            "Dataset",
            name=name,
            complete=True,
            type={"id": dict(kinds)[type]},
            investigation={"id": self.investigation(investigation)},
            parameters=[{"type": {"id": dict(types)["numChannels"]}, "numericValue": channels}],
        )
        store = DatastoreClient("http://datastore.embedded/ids", self.process.http)
        session = store.session(self.root.session_id)
        for file, content in ({"a.txt": b"hello"} if files is None else files).items():
            session.put([content], name=file, dataset_id=made, datafile_format_id=int(formats[0]))
        return made

    def wait(
        self,
        job: int | dict[str, Any],
        *states: State,
        user: str = "ana",
        seconds: float = 30,
    ) -> dict[str, Any]:
        """Wait until a job is in one of the states, or in a final one; gives it."""
        wanted = {str(one) for one in states or FINAL}
        id = job if isinstance(job, int) else int(job["id"])
        until = time.monotonic() + seconds
        while True:
            found = self.user(user).job(id)
            if found["state"] in wanted:
                return found
            assert found["state"] not in set(map(str, FINAL)), found
            assert time.monotonic() < until, found
            time.sleep(0.02)

    def completed(self, job: int | dict[str, Any], user: str = "ana") -> dict[str, Any]:
        """Wait for a job's end, which must be a good one; gives it."""
        found = self.wait(job, user=user)
        errors = b"".join(self.user(user).output(found["id"], stream="err")).decode()
        assert found["state"] == "Completed", (found["reason"], errors, found["events"])
        return found


_NO_URL = "http://127.0.0.1:9"
_HASH = partial(generate_password_hash, method="pbkdf2:sha256:1000")


class _Compiled(BytecodeCache):
    """Templates that an earlier portal of this process has compiled."""

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._made.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._made[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": _Compiled()}


def install(
    folder: Path,
    database_url: str = "",
    *,
    described: str = str(FACILITY),
    passwords: Mapping[str, str] = PASSWORDS,
) -> None:
    """Make an installation with its facility loaded.

    Args:
        described: The facility's folder, or the name of an example.
    """
    with pytest.MonkeyPatch.context() as patch:
        # Each log-in takes as long as its hash says, and the tests have thousands.
        patch.setattr(installation, "generate_password_hash", _HASH)
        made = installation.make(
            folder, facility=described, database_url=database_url, public_url=_NO_URL, slots=4
        )
        installation.add_users(folder / "secrets", dict(passwords))
    text = made.settings_file.read_text()
    made.settings_file.write_text(text + "grace_seconds = 0.5\n")
    for name in ("catalog", "datastore", "portal"):
        services()[name].upgrade(made.settings_file)
    process = Process(made.settings_file)
    for _ in facility.load(_root(process), facility.read(made.facility_folder), "simple/ijp"):
        pass
    process.http.close()
    gc.collect()


def _root(process: Process) -> CatalogSession:
    catalog = CatalogClient("http://catalog.embedded/icat", process.http)
    words = (process.settings_file.parent / "secrets" / "root_password").read_text().strip()
    return catalog.login("simple", {"username": "root", "password": words})


@contextmanager
def running(
    folder: Path, *, dispatcher: bool = True, passwords: Mapping[str, str] = PASSWORDS
) -> Iterator[Portal]:
    """Serve an installation and run its dispatcher, until the block ends; its jobs end too."""
    portal, server = _served(folder)
    portal.passwords = passwords
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        if dispatcher:
            portal.start()
        yield portal
    finally:
        portal.stop()
        _end_jobs(portal)
        server.shutdown()
        thread.join()
        server.server_close()
        portal.process.http.close()
        for client in portal.users.values():
            client._transport._http.close()  # it has no other end


def _served(folder: Path) -> tuple[Portal, Any]:
    """Serve an installation at an address of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings_file = folder / installation.SETTINGS_FILE
    settings_file.write_text(settings_file.read_text().replace(_NO_URL, url))
    process = Process(settings_file)
    router = Router(process, list(services().values()))
    server = make_server("127.0.0.1", port, router, threaded=True)
    return Portal(settings_file, process, url, _root(process)), server


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def copy(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder)
    settings_file = folder / installation.SETTINGS_FILE
    text = settings_file.read_text().replace(str(source), str(folder))
    settings_file.write_text(text)


def with_own_facility(folder: Path) -> Path:
    """Give a copied installation a facility that tests may write to; gives its settings file."""
    shutil.copytree(FACILITY, folder / "facility")
    settings_file = folder / installation.SETTINGS_FILE
    text = settings_file.read_text().replace(str(FACILITY), str(folder / "facility"))
    settings_file.write_text(text)
    return settings_file


def _end_jobs(portal: Portal) -> None:
    """End the jobs of this portal, and only these: those whose folder is in its work folder."""
    engines = portal.services.engines
    marks = [path.name for path in (portal.folder / "work" / "jobs").glob("*/*")]
    for engine in engines.values():
        for batch_id in engine.find(marks).values():
            engine.cancel(batch_id)
    until = time.monotonic() + 10
    while any(supervised(portal.folder)) and time.monotonic() < until:
        time.sleep(0.05)
    for process in supervised(portal.folder):
        os.kill(process, signal.SIGKILL)
    engines.close()


def supervised(folder: Path) -> Iterator[int]:
    """Processes of jobs: what has the portal's folder in its command line or as its directory."""
    for place in Path("/proc").glob("[0-9]*"):
        if int(place.name) == os.getpid():
            continue
        try:
            words = (place / "cmdline").read_bytes()
            inside = (place / "cwd").resolve().is_relative_to(folder / "work")
        except OSError:
            continue
        if inside or str(folder / "work" / "engine").encode() in words:
            yield int(place.name)
