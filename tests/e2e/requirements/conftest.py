"""What the tests of the requirements share: users with a browser, at a shell, and with programs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from lxml import html

from ijp.catalog import CatalogClient, CatalogSession
from ijp.datastore import DatastoreClient, DatastoreSession
from ijp.portal import PortalClient, Record

IJP = Path(sys.executable).with_name("ijp")


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, make_site: Callable[[str], Any]) -> Any:
    """Everything in one process, on either database."""
    return make_site(str(request.param))


@dataclass
class People:
    """Programs of the users, logged in."""

    site: Any
    known: dict[str, PortalClient] = field(default_factory=dict)

    def __getitem__(self, name: str) -> PortalClient:
        if name not in self.known:
            self.known[name] = self.site.client(name)
        return self.known[name]

    def catalog(self, name: str) -> CatalogSession:
        """The catalog with the rights of a user."""
        return CatalogClient(f"{self.site.url}/icat").session(str(self[name].session_id))

    def datastore(self, name: str) -> DatastoreSession:
        """The data service with the rights of a user."""
        return DatastoreClient(f"{self.site.url}/ids").session(str(self[name].session_id))


@pytest.fixture(scope="session")
def people(site: Any) -> People:
    """``people["ana"]``: she writes MIC-2026-1 and MAT-2026-3; ben writes AST-2026-2 and reads
    MAT-2026-3; dora is the data manager; root may do everything at the catalog."""
    return People(site)


@pytest.fixture
def ana(people: People) -> PortalClient:
    """Ana's program."""
    return people["ana"]


@pytest.fixture
def ben(people: People) -> PortalClient:
    """Ben's program."""
    return people["ben"]


@pytest.fixture
def root(people: People) -> CatalogSession:
    """The catalog as the user who may do everything there."""
    return people.catalog("root")


def _named(client: PortalClient, **search: Any) -> dict[str, Record]:
    return {one["name"]: one for one in client.datasets(limit="200", **search)["datasets"]}


@pytest.fixture(scope="session")
def named() -> Callable[..., dict[str, Record]]:
    """What a search finds, by name: ``named(ana, type="image")``."""
    return _named


@pytest.fixture
def images(ana: PortalClient) -> dict[str, int]:
    """The ids of the pictures that ana sees, by name: cell and ihc, coins and brick."""
    return {name: int(one["id"]) for name, one in _named(ana, type="image").items()}


@pytest.fixture(scope="session")
def run_job(site: Any) -> Callable[..., Record]:
    """Submits one job and waits for its good end: ``run_job(ana, "date")``."""

    def run_job(client: PortalClient, job_type: str, **arguments: Any) -> Record:
        (job,) = client.submit(job_type, **arguments)
        ended = site.wait(client, job)
        errors = b"".join(client.output(job["id"], stream="err")).decode()
        assert ended["state"] == "Completed", (ended["reason"], errors)
        return dict(ended)

    return run_job


@pytest.fixture(scope="session")
def segmented(people: People, run_job: Callable[..., Record]) -> Record:
    """Ana's job that found the objects of the picture "cell"; its result is a dataset."""
    cell = _named(people["ana"], type="image")["cell"]["id"]
    return run_job(
        people["ana"], "segment", dataset_ids=[cell], options={"Smoothing": 2.0, "Minimum area": 30}
    )


@pytest.fixture
def make_dataset(root: CatalogSession) -> Iterator[Callable[..., int]]:
    """Makes datasets that go away again: ``make_dataset("x", "MIC-2026-1", channels=3)``."""
    made: list[int] = []

    def make_dataset(
        name: str, investigation: str, *, type: str = "image", **parameters: float | str
    ) -> int:
        (place,) = root.search(f"SELECT i.id FROM Investigation i WHERE i.name = '{investigation}'")
        (kind,) = root.search(f"SELECT t.id FROM DatasetType t WHERE t.name = '{type}'")
        types = dict(root.search("SELECT t.name, t.id FROM ParameterType t"))
        values = [
            {
                "type": {"id": types[key]},
                ("stringValue" if isinstance(value, str) else "numericValue"): value,
            }
            for key, value in parameters.items()
        ]
        id = root.create(
            "Dataset",
            name=name,
            complete=True,
            type={"id": kind},
            investigation={"id": place},
            parameters=values,
        )
        made.append(id)
        return id

    yield make_dataset
    root.delete("Dataset", made)


@dataclass
class Facility:
    """The facility's folder, which its people change while the portal runs."""

    folder: Path
    written: dict[Path, bytes | None] = field(default_factory=dict)

    def write(self, name: str, text: str, *, program: bool = False) -> Path:
        """Write a file, over one that is there."""
        path = self.folder / name
        self.written.setdefault(path, path.read_bytes() if path.exists() else None)
        path.write_text(text)
        if program:
            path.chmod(0o755)
        return path

    def restore(self) -> None:
        """Leave everything as it was."""
        for path, before in self.written.items():
            if before is None:
                path.unlink()
            else:
                path.write_bytes(before)


@pytest.fixture
def facility(site: Any) -> Iterator[Facility]:
    """The facility's folder; what a test changes in it is changed back."""
    made = Facility(site.folder / "facility")
    yield made
    made.restore()


def _until(holds: Callable[[], Any], seconds: float = 20) -> Any:
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, f"not so within {seconds} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """Waits until a function gives something true, and gives that."""
    return _until


class Page:
    """A page as its reader has it."""

    def __init__(self, answer: requests.Response) -> None:
        self.status = answer.status_code
        self.url = answer.url
        self.answer = answer
        self.document = html.document_fromstring(answer.text)

    @property
    def text(self) -> str:
        """What stands on it, without head and menu."""
        return " ".join(" ".join(self.document.find(".//main").itertext()).split())

    def control(self, label: str) -> Any:
        """The control of this label."""
        for one in self.document.iter("label"):
            if " ".join(one.text_content().split()) == label:
                return self.document.get_element_by_id(one.get("for"))
        for one in self.document.iter("input", "select", "textarea"):
            if one.get("aria-label") == label:
                return one
        raise AssertionError(f"no control {label!r} on {self.url}: {self.labels}")

    @property
    def labels(self) -> list[str]:
        """The labels of all controls."""
        return [" ".join(one.text_content().split()) for one in self.document.iter("label")]

    def choices(self, label: str) -> list[str]:
        """The values of a list."""
        return [one.get("value", one.text) for one in self.control(label).iter("option")]

    def fill(self, label: str, value: str | bool) -> None:
        """Type into a control, choose of a list, or tick."""
        control = self.control(label)
        if isinstance(value, bool):
            control.checked = value
        else:
            control.value = value

    def link(self, text: str) -> str:
        """Where the first link that has this text, alone or first of several, leads."""
        for one in self.document.iter("a"):
            if " ".join(one.text_content().split()).startswith(text):
                return urljoin(self.url, one.get("href"))
        raise AssertionError(f"no link {text!r} on {self.url}")

    def button(self, text: str) -> Any:
        """The button of this text."""
        for one in self.document.iter("button"):
            shown = one.get("aria-label") or " ".join(one.text_content().split())
            if shown == text and one.get("type") == "submit":
                return one
        raise AssertionError(f"no button {text!r} on {self.url}")


class Web:
    """A browser without script."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["Accept"] = "text/html,*/*;q=0.8"

    def open(self, address: str) -> Page:
        """Go to an address."""
        return Page(self.http.get(urljoin(self.url, address), timeout=60))

    def follow(self, page: Page, text: str) -> Page:
        """Follow a link."""
        return self.open(page.link(text))

    def press(self, page: Page, text: str, *, files: Any = None) -> Page:
        """Press a button of a form as it is filled in."""
        return Page(self.send(page, text, files=files))

    def send(self, page: Page, text: str, **more: Any) -> requests.Response:
        """Press a button, for an answer that may be no page."""
        button = page.button(text)
        form = button.getparent() if not button.get("form") else None
        if form is None:
            form = page.document.get_element_by_id(button.get("form"))
        while form.tag != "form":
            form = form.getparent()
        values = [*form.form_values()]
        if button.get("name"):
            values.append((button.get("name"), button.get("value", "")))
        action = button.get("formaction") or form.action or ""
        address = urljoin(page.url, action)
        if form.method == "POST":
            return self.http.post(
                address, data=values, timeout=60, headers={"Referer": page.url}, **more
            )
        return self.http.get(address, params=values, timeout=60)

    def log_in(self, site: Any, user: str) -> Page:
        """Log in by the page."""
        page = self.open("/login")
        page.fill("Username", user)
        page.fill("Password", site.password[user])
        return self.press(page, "Log in")


@pytest.fixture
def browse(site: Any) -> Iterator[Callable[..., Web]]:
    """Gives a browser: ``browse()``, or ``browse("ana")`` for one that is logged in."""
    made: list[Web] = []

    def browse(user: str | None = None) -> Web:
        web = Web(site.url)
        made.append(web)
        if user:
            assert web.log_in(site, user).url == f"{site.url}/find"
        return web

    yield browse
    for web in made:
        web.http.close()


@pytest.fixture
def free_address() -> str:
    """An address of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def serving() -> Callable[[Path, str], AbstractContextManager[None]]:
    """Serves an installation at an address: ``with serving(settings_file, free_address)``."""
    return _serving


@contextmanager
def _serving(settings_file: Path, address: str) -> Iterator[None]:
    command = [IJP.with_name("ijpd"), "serve", "--settings", settings_file, "--bind", address]
    with (settings_file.parent / "server.log").open("ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _until(lambda: _answers(f"http://{address}/login") or server.poll() is not None, 60)
        assert server.poll() is None, (settings_file.parent / "server.log").read_text()
        yield
    finally:
        server.terminate()
        server.wait(30)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=20).ok
    except requests.ConnectionError:
        return False


@dataclass
class Shell:
    """The command ``ijp`` of a user."""

    environment: dict[str, str]

    def run(self, *words: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run it; it must end with this exit status."""
        done = subprocess.run(
            [IJP, *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def says(self, *words: str) -> str:
        """What it prints when all goes well."""
        return self.run(*words).stdout.strip()


@pytest.fixture
def shell_of(site: Any, tmp_path: Path) -> Callable[[str], Shell]:
    """Gives the command line of a user who has logged in."""

    def shell_of(user: str) -> Shell:
        folder = tmp_path / user
        environment = {
            "PATH": f"{IJP.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "LANG": "C.UTF-8",
        }
        made = Shell(environment)
        login = ["--portal", site.url, "login", "simple", "username", user, "password", "-"]
        made.run(*login, stdin=site.password[user] + "\n")
        return made

    return shell_of
