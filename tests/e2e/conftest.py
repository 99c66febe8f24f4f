"""The real thing: served by ``ijpd`` as a user would, driven by a real browser."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from sqlalchemy import create_engine, text

from ijp.portal import FINAL_STATES, PortalClient, Record
from portal import installation
from portal.demo import fill_drop_folder

PASSWORDS = {"ana": "ana: two words", "ben": "ben: two words", "dora": "dora: two words"}
PICTURES = {"MIC-2026-1": ("cell.png", "ihc.png"), "MAT-2026-3": ("coins.png", "brick.png")}
EXTRA = Path(__file__).parent / "facility"
IJPD = Path(sys.executable).parent / "ijpd"
CHROMIUM = ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")
"""The first takes half the processor time of the second."""
WIDE, NARROW = 1280, 390
_START_SECONDS = 90


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)
            if "page" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.browser)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    """An installation that is served.

    Attributes:
        url: Where browsers find it.
        password: By user name; ``root`` is one of them.
    """

    folder: Path
    url: str
    password: dict[str, str] = field(default_factory=lambda: dict(PASSWORDS))
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def settings_file(self) -> Path:
        """The one settings file."""
        return self.folder / installation.SETTINGS_FILE

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self.folder / "server.log").read_text(errors="replace")

    def ijpd(self, *arguments: str) -> None:
        """Run a command to its end; it must succeed."""
        done = subprocess.run(
            [IJPD, *arguments, "--settings", self.settings_file], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def serve(self, port: int, *names: str) -> None:
        """Start a server that goes on."""
        with (self.folder / "server.log").open("ab") as log:
            bind = ["--bind", f"127.0.0.1:{port}"]
            command = [IJPD, "serve", *names, "--settings", self.settings_file, *bind]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def stop(self) -> None:
        """End every server."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)

    def client(self, user: str) -> PortalClient:
        """What a program of a user works with; the caller need not log in."""
        client = PortalClient(self.url)
        client.login("simple", {"username": user, "password": self.password[user]})
        return client

    def wait(self, client: PortalClient, job: Record, *states: str) -> Record:
        """Wait until a job has ended, or is in one of these states."""
        until = time.monotonic() + 90
        while (found := client.job(job["id"]))["state"] not in {*FINAL_STATES, *states}:
            assert time.monotonic() < until, (found["state"], found["reason"], found["startedAt"])
            time.sleep(0.1)
        return found


def _serve_together(site: Site) -> None:
    site.serve(int(site.url.rpartition(":")[2]))


def _serve_apart(site: Site) -> None:
    """Each service in a process of its own, which reach each other by HTTP only."""
    catalog, datastore = _free_port(), _free_port()
    settings = site.settings_file.read_text()
    settings = settings.replace("http://catalog.embedded/", f"http://127.0.0.1:{catalog}/")
    settings = settings.replace("http://datastore.embedded/", f"http://127.0.0.1:{datastore}/")
    site.settings_file.write_text(settings)
    site.serve(catalog, "catalog")
    site.serve(datastore, "datastore")
    site.serve(int(site.url.rpartition(":")[2]), "portal")
    site.serve(_free_port(), "dispatcher")


def _wait_for(site: Site) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            if requests.get(f"{site.url}/api/v1/authenticators", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        assert all(one.poll() is None for one in site.processes), site.log[-4000:]
        assert time.monotonic() < until, site.log[-4000:]
        time.sleep(0.1)


def _load(site: Site) -> None:
    """Put pictures where instruments leave them, and ingest them by the facility's own job."""
    fill_drop_folder(site.folder / "drop")
    for place in (site.folder / "drop").iterdir():
        for picture in place.iterdir():
            if picture.name not in PICTURES.get(place.name, ()):
                picture.unlink()
    dora = site.client("dora")
    jobs = []
    for name in PICTURES:
        found = dora.form("ingest", options={"Folder": name})["investigations"]
        (place_id,) = [one["id"] for one in found if one["name"] == name]
        jobs += dora.submit("ingest", options={"Folder": name}, investigation_id=place_id)
    for job in jobs:
        ended = site.wait(dora, job)
        errors = b"".join(dora.output(job["id"], stream="err")).decode()
        assert ended["state"] == "Completed", (ended["reason"], errors)


@pytest.fixture(scope="session")
def make_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Site]]:
    """Gives the site of a kind, made once: sqlite, postgresql, or apart."""
    made: dict[str, Site] = {}

    def make(kind: str) -> Site:
        if kind in made:
            return made[kind]
        site = Site(tmp_path_factory.mktemp(kind), f"http://127.0.0.1:{_free_port()}")
        command = [IJPD, "init", site.folder, "--facility", "imaging", "--slots", "2"]
        command += ["--public-url", site.url]
        if kind in ("postgresql", "apart"):
            server = request.getfixturevalue("postgresql_server")
            admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
            with admin.connect() as connection:
                connection.execute(text(f"CREATE DATABASE e2e_{kind}"))
            admin.dispose()
            command += ["--database-url", f"{server}/e2e_{kind}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        shutil.copytree(EXTRA, site.folder / "facility", dirs_exist_ok=True)
        installation.add_users(site.folder / "secrets", PASSWORDS)
        site.password["root"] = (site.folder / "secrets" / "root_password").read_text().strip()
        site.ijpd("db", "upgrade")
        made[kind] = site
        _serve_apart(site) if kind == "apart" else _serve_together(site)
        _wait_for(site)
        site.ijpd("facility", "load")
        _load(site)
        return site

    yield make
    for site in made.values():
        site.stop()


@pytest.fixture(scope="session")
def site(make_site: Callable[[str], Site]) -> Site:
    """Everything in one process, on SQLite."""
    return make_site("sqlite")


@pytest.fixture(params=["sqlite", "postgresql", "apart"])
def any_site(request: pytest.FixtureRequest, make_site: Callable[[str], Site]) -> Site:
    """On SQLite; on PostgreSQL; and on PostgreSQL with each service served alone."""
    return make_site(str(request.param))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    program = next((path for path in CHROMIUM if Path(path).exists()), None)
    if program is None:
        pytest.fail("Chromium is not installed; `make test` installs it when run as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def open_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Opens a browser with its own cookies; what goes wrong on any of its pages fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def listen(page: Page) -> None:
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: _collect(faults, message))

    def open_context(**options: Any) -> BrowserContext:
        options.setdefault("viewport", {"width": WIDE, "height": 900})
        context = browser.new_context(**options)
        context.set_default_timeout(20_000)
        context.on("page", listen)
        contexts.append(context)
        return context

    yield open_context
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


def _collect(faults: list[str], message: ConsoleMessage) -> None:
    """Errors and warnings count; that a page asked for answers 4xx is for its test to judge."""
    expected = re.match(
        r"Failed to load resource: the server responded with a status of 4", message.text
    )
    if message.type in ("error", "warning") and not expected:
        faults.append(f"{message.location.get('url')}: {message.text}")


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    """A page in a wide window, nobody logged in."""
    return open_context().new_page()


def log_in(page: Page, site: Site, user: str = "ana") -> None:
    """Log in as a user does."""
    page.goto(f"{site.url}/login")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(site.password[user])
    page.get_by_label("Password").press("Enter")
    page.wait_for_url("**/find")


@pytest.fixture(name="log_in")
def _log_in() -> Callable[..., None]:
    return log_in


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Takes a picture of a page into the folder that ``IJP_SCREENSHOTS`` names; without it none."""
    folder = os.environ.get("IJP_SCREENSHOTS")

    def shot(page: Page, name: str) -> None:
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return shot
