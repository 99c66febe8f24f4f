"""What every test may use: real databases, and folders that go away."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine, text

from bench import postgresql
from servicekit import database

settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server of our own, without a database name."""
    folder = tmp_path_factory.mktemp("postgresql")
    if os.geteuid() == 0:
        base = tmp_path_factory.getbasetemp()
        for place in (base.parent, base):
            place.chmod(0o755)
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
