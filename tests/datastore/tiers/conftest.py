"""The service's tables on both databases, made once: making them by migrations takes a second."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import create_engine, text

from datastore.tiers.model import Base
from servicekit import database


@pytest.fixture(scope="session")
def _postgresql_tables(postgresql_server):
    name = f"tiers_{uuid.uuid4().hex[:12]}"
    admin = create_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    engine = database.engine_for(f"{postgresql_server}/{name}", "datastore")
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA datastore"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """An engine on empty tables."""
    if request.param == "postgresql":
        engine = request.getfixturevalue("_postgresql_tables")
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {tables}"))
        yield engine
        return
    engine = database.engine_for(f"sqlite:///{tmp_path}/datastore.db", "datastore")
    Base.metadata.create_all(database.writing(engine))
    yield engine
    engine.dispose()
