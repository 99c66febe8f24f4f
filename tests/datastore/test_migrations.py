"""The service's migrations make what its model says, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import insert, inspect
from sqlalchemy.exc import IntegrityError

from datastore.model import PreparedDatafile
from servicekit import database


@pytest.fixture
def engine(engine_of):
    return engine_of("datastore")


def test_migrations_make_exactly_the_model(engine):
    command.check(database.alembic_config(engine, "datastore"))


def test_everything_can_be_taken_back_and_made_again(engine):
    config = database.alembic_config(engine, "datastore")
    command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    command.upgrade(config, "head")
    command.check(config)


def test_a_datafile_belongs_to_a_prepared_selection(engine):
    row = {
        "prepared_id": "none",
        "datafile_id": 1,
        "dataset_id": 1,
        "name": "a",
        "folder": "f",
        "location": "l",
        "mod_time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    with (
        pytest.raises(IntegrityError),
        database.writing(engine).begin() as connection,
    ):
        connection.execute(insert(PreparedDatafile).values(**row))
