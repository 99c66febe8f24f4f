"""What every test may use: real databases, and folders that go away."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import settings
from sqlalchemy import Engine, create_engine, text
from werkzeug.security import generate_password_hash
from xdist.scheduler import LoadFileScheduling

from bench import postgresql
from ijp.catalog import CatalogClient, CatalogSession
from ijp.datastore import DatastoreClient, DatastoreSession
from servicekit import database
from servicekit.embedded import Process
from servicekit.service import services

LONG = ("peers", "e2e", "examples")
"""Folders whose tests take longest: they begin first, so that no worker is alone with them."""

_KIND = re.compile(r"tests/(?:e2e|peers)/.*[\[-](sqlite|postgresql|apart)\b")
_MAKES_ITS_OWN = re.compile("tests/e2e/.*/?test_(demo_on_|apart|server_killed|single_sign_on)")

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


def pytest_configure() -> None:
    """Let what tests start be interrupted, even if the tests themselves run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave PostgreSQL out of the quick part, which knows SQLite only."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if "postgresql" in parameters.values():
        item.add_marker(pytest.mark.slow)


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A file's tests run in one process, but those on whole installations by kind of these.

    Making an installation takes half a minute, and each process makes its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        if kind := _KIND.match(nodeid):
            return f"{folder} on {kind[1]}"
        if folder == "e2e" and not _MAKES_ITS_OWN.match(nodeid):
            return "e2e on sqlite"
        return str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    """Share the tests out among processes."""
    return _Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files with the longest tests go first."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        parts = item.path.relative_to(here).parts if item.path.is_relative_to(here) else ()
        return LONG.index(parts[0]) if parts and parts[0] in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a real PostgreSQL server of our own, without a database name.

    Its folder is not one of pytest's, which other accounts than root cannot reach.
    """
    with tempfile.TemporaryDirectory(prefix="ijp-postgresql-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        try:
            with postgresql.server(folder) as url:
                yield url
        except postgresql.NotInstalledError as error:
            pytest.fail(str(error))


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield f"{postgresql_server}/{name}"
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, empty database of each kind, as it stands in the settings."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/{{service}}.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def engine_of(database_url: str) -> Iterator[object]:
    """Gives the engine of a service with its tables made: ``engine_of("catalog")``."""
    made: list[Engine] = []

    def engine_of(service: str) -> Engine:
        engine = database.engine_for(database_url, service)
        database.upgrade(engine, service)
        made.append(engine)
        return engine

    yield engine_of
    for engine in made:
        engine.dispose()


@dataclass(frozen=True)
class Site:
    """A catalog and a data service of one process, with a small facility.

    ``simple/root`` is the catalog's root user; ``simple/ana`` reads and writes investigation 1,
    ``simple/ben`` investigation 2: as its InvestigationUsers, by rules as facilities write them.
    Both read Facility and all the types. Each investigation has one dataset.

    Attributes:
        settings_file: Also for ``ijpd serve --settings``.
        process: Reaches the services without a socket, by ``process.http``.
        passwords: By user name without mechanism; new ones each time.
        investigation_ids: Of investigations 1 and 2, in this order, like ``dataset_ids``.
    """

    settings_file: Path
    process: Process
    passwords: dict[str, str]
    facility_id: int
    datafile_format_id: int
    dataset_type_id: int
    investigation_ids: tuple[int, int]
    dataset_ids: tuple[int, int]
    sessions: dict[str, CatalogSession] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where everything of the site is."""
        return self.settings_file.parent

    def login(self, user: str = "ana") -> CatalogSession:
        """A new session of a user."""
        client = CatalogClient("http://catalog.embedded/icat", self.process.http)
        return client.login("simple", {"username": user, "password": self.passwords[user]})

    def catalog(self, user: str = "ana") -> CatalogSession:
        """The user's session, the same one each time."""
        if user not in self.sessions:
            self.sessions[user] = self.login(user)
        return self.sessions[user]

    def datastore(self, user: str = "ana") -> DatastoreSession:
        """The data service with the user's session."""
        client = DatastoreClient("http://datastore.embedded/ids", self.process.http)
        return client.session(self.catalog(user).session_id)

    def stored_files(self) -> list[Path]:
        """Every file in the storage, finished or not."""
        return [path for path in (self.folder / "data").rglob("*") if path.is_file()]


_SITE_SETTINGS = """
[common]
database_url = "{database_url}"
catalog_url = "http://catalog.embedded/icat"
datastore_url = "http://datastore.embedded/ids"
public_url = "http://127.0.0.1:8080"

[catalog]
root_users = ["simple/root"]
simple_users_file = "secrets/simple_users.toml"
authenticators = ["simple", "anon"]

[datastore]
storage_folder = "data"
free_space_floor_bytes = 0
reader = {{ authenticator = "simple", username = "root", password_file = "secrets/root" }}
{more}
"""


@pytest.fixture(scope="session")
def _site_template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site on SQLite from which others are copied: making one takes a second."""
    return _made_site(tmp_path_factory.mktemp("facility") / "site")


@pytest.fixture(scope="session")
def make_site(_site_template: Site) -> Callable[..., Site]:
    """Makes a site in a folder that is not there yet; for fixtures of a wider scope than a test.

    Arguments: ``database_url`` (SQLite without), ``more`` (lines for the end of the settings file,
    which is in the table ``[datastore]`` there; a later table may begin with them). Other settings
    can be changed by environment variables before, such as ``CATALOG__MAX_ENTITIES``.
    """

    def make_site(folder: Path, *, database_url: str = "", more: str = "") -> Site:
        if database_url:
            return _made_site(folder, database_url=database_url, more=more)
        shutil.copytree(_site_template.folder, folder)
        settings_file = _write_settings(folder, "", more)
        return replace(
            _site_template,
            settings_file=settings_file,
            process=Process(settings_file),
            sessions={},
        )

    return make_site


@pytest.fixture
def facility_site(tmp_path: Path, make_site: Callable[..., Site]) -> Callable[..., Site]:
    """Makes a site (see ``Site``) for a test: ``facility_site()``; arguments as ``make_site``."""
    return partial(make_site, tmp_path / "site")


@dataclass(frozen=True)
class Served:
    """Services that run in a process of their own, at an address.

    Attributes:
        pid: Of the process that answers; the one that watches it is its parent.
        log: What the services say.
    """

    url: str
    pid: int
    log: Path


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[Served]]:
    """Serves a site's services by ``ijpd serve``: ``with serving(site, "catalog", "datastore")``.

    Users log in at ``served.url + "/icat"``.
    """
    return _serving


@contextmanager
def _serving(site: Site, *names: str) -> Iterator[Served]:
    port, log = postgresql.free_port(), site.folder / "serve.log"
    command = [Path(sys.executable).with_name("ijpd"), "serve", "--settings", site.settings_file]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", *names], stdout=out, stderr=out
        )
    try:
        _wait_for_port(port, process, log)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Served(f"http://127.0.0.1:{port}", int(children[0]), log)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            # Its worker answers only when the applications are made.
            requests.get(f"http://127.0.0.1:{port}/ids/ping", timeout=20)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail(f"the services did not start:\n{log.read_text()}")


def _made_site(folder: Path, *, database_url: str = "", more: str = "") -> Site:
    secrets_folder = folder / "secrets"
    secrets_folder.mkdir(parents=True)
    settings_file = _write_settings(folder, database_url, more)
    words = {user: secrets.token_hex(16) for user in ("root", "ana", "ben")}
    hashes = {user: generate_password_hash(w, "pbkdf2:sha256:1000") for user, w in words.items()}
    _write_secret(
        secrets_folder / "simple_users.toml",
        "".join(f'{user} = "{hash}"\n' for user, hash in hashes.items()),
    )
    _write_secret(secrets_folder / "root", words["root"])
    for name in ("catalog", "datastore"):
        services()[name].upgrade(settings_file)
    process = Process(settings_file)
    client = CatalogClient("http://catalog.embedded/icat", process.http)
    root = client.login("simple", {"username": "root", "password": words["root"]})
    return Site(settings_file, process, words, **_fill(root))


def _write_settings(folder: Path, database_url: str, more: str) -> Path:
    settings_file = folder / "ijp.toml"
    url = database_url or f"sqlite:///{folder}/{{service}}.db"
    settings_file.write_text(_SITE_SETTINGS.format(database_url=url, more=more))
    return settings_file


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _fill(root: CatalogSession) -> dict[str, Any]:
    """Make the facility; gives the ids that ``Site`` has."""
    facility = root.create("Facility", name="F")
    ids = {
        "facility_id": facility,
        "dataset_type_id": root.create("DatasetType", name="raw", facility={"id": facility}),
        "datafile_format_id": root.create(
            "DatafileFormat", name="nexus", version="1", facility={"id": facility}
        ),
    }
    kind = root.create("InvestigationType", name="experiment", facility={"id": facility})
    investigations, datasets = [], []
    for number, user in ((1, "ana"), (2, "ben")):
        investigation = root.create(
            "Investigation",
            name=f"inv {number}",
            visitId="N/A",
            title=f"Investigation {number}",
            facility={"id": facility},
            type={"id": kind},
        )
        member = root.create("User", name=f"simple/{user}")
        root.create(
            "InvestigationUser",
            investigation={"id": investigation},
            user={"id": member},
            role="Experimenter",
        )
        investigations.append(investigation)
        datasets.append(
            root.create(
                "Dataset",
                name=f"dataset {number}",
                investigation={"id": investigation},
                type={"id": ids["dataset_type_id"]},
            )
        )
    _write_rules(root)
    return ids | {"investigation_ids": tuple(investigations), "dataset_ids": tuple(datasets)}


def _write_rules(root: CatalogSession) -> None:
    for public in (
        "Facility",
        "InvestigationType",
        "DatasetType",
        "DatafileFormat",
        "ParameterType",
        "PermissibleStringValue",
        "Application",
    ):
        root.create("Rule", what=public, crudFlags="R")
    own = "Investigation <-> InvestigationUser <-> User [name = :user]"
    root.create("Rule", what=own, crudFlags="R")
    for path in (
        "InvestigationParameter <-> ",
        "Dataset <-> ",
        "DatasetParameter <-> Dataset <-> ",
        "Datafile <-> Dataset <-> ",
        "DatafileParameter <-> Datafile <-> Dataset <-> ",
    ):
        root.create("Rule", what=path + own, crudFlags="CRUD")
