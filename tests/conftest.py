"""What every test may use: real databases, and folders that go away."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine, text

from servicekit import database

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


def _postgresql_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if program := shutil.which("initdb"):
        return Path(program).parent
    pytest.fail("PostgreSQL is not installed; `make test` installs it when run as root")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server of our own, without a database name."""
    programs = _postgresql_programs()
    folder = tmp_path_factory.mktemp("postgresql")
    as_user = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        for place in (folder, *folder.parents):
            if place.owner() == "root" and place.is_relative_to(tmp_path_factory.getbasetemp()):
                place.chmod(0o755)
        tmp_path_factory.getbasetemp().parent.chmod(0o755)
        shutil.chown(folder, "postgres", "postgres")
    data, port = folder / "data", free_port()
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}

    def run(*command: str) -> None:
        subprocess.run(
            [*as_user, *command], check=True, env=environment, cwd="/", stdout=subprocess.DEVNULL
        )

    run(str(programs / "initdb"), "-D", str(data), "-U", "ijp", "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    run(*control, "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg2://ijp@127.0.0.1:{port}"
    finally:
        run(*control, "-m", "immediate", "stop")


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
