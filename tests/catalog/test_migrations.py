"""The catalog's migrations make what the model says, on both databases, and refuse what it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import Engine, delete, insert, inspect
from sqlalchemy.exc import DBAPIError

from catalog.model import Base, DatasetType, Facility, ParameterType, Study
from servicekit import database

pytestmark = pytest.mark.slow

STAMPS = {
    "create_id": "t/a",
    "create_time": datetime(2026, 1, 1, tzinfo=UTC),
    "mod_id": "t/a",
    "mod_time": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.fixture
def engine(database_url) -> Iterator[Engine]:
    engine = database.engine_for(database_url, "catalog")
    database.upgrade(engine, "catalog")
    yield engine
    engine.dispose()


def test_migrations_make_exactly_the_model(engine):
    command.check(database.alembic_config(engine, "catalog"))


def test_a_second_upgrade_changes_nothing(engine):
    before = sorted(inspect(engine).get_table_names())
    database.upgrade(engine, "catalog")
    assert sorted(inspect(engine).get_table_names()) == before


def test_upgrades_at_the_same_time_wait_for_each_other(database_url):
    script = (
        "import sys; from servicekit import database\n"
        "database.upgrade(database.engine_for(sys.argv[1], 'catalog'), 'catalog')"
    )
    command = [sys.executable, "-c", script, database_url]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [one.communicate(timeout=120)[1] for one in running] == ["", "", ""]
    engine = database.engine_for(database_url, "catalog")
    assert "dataset" in inspect(engine).get_table_names()
    engine.dispose()


def test_id_of_what_was_deleted_is_never_anothers(engine):
    with engine.execution_options(writes=True).begin() as connection:
        ids = []
        for _ in range(2):
            made = connection.execute(insert(Facility).values(name="F", **STAMPS))
            ids.append(made.inserted_primary_key[0])
            connection.execute(delete(Facility))
    assert ids[0] < ids[1]


def test_everything_can_be_taken_back_and_made_again(engine):
    config = database.alembic_config(engine, "catalog")
    command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    command.upgrade(config, "head")
    command.check(config)


def test_indexes_of_partial_values_leave_long_strings_out(engine):
    index = next(
        one
        for one in Base.metadata.tables["dataset_parameter"].indexes
        if one.name == "ix_dataset_parameter_string"
    )
    assert str(index.dialect_options[engine.dialect.name]["where"]) == "length(string_value) <= 200"


@pytest.fixture
def facility_id(engine) -> int:
    with database.writing(engine).begin() as connection:
        made = connection.execute(insert(Facility).values(name="F", **STAMPS))
        return int(made.inserted_primary_key[0])


def _refused(engine: Engine, entity: type[Base], **values: object) -> bool:
    with pytest.raises(DBAPIError), database.writing(engine).begin() as connection:
        connection.execute(insert(entity.__table__), {**STAMPS, **values})
    with engine.begin() as connection:
        return connection.execute(entity.__table__.select()).all() == []


def test_what_breaks_a_constraint_is_refused_by_the_database(engine, facility_id):
    assert _refused(engine, DatasetType, name="x", facility_id=facility_id + 1)
    assert _refused(engine, DatasetType, name="x", facility_id=None)
    assert _refused(engine, DatasetType, name=None, facility_id=facility_id)
    assert _refused(engine, DatasetType, name="x", facility_id=facility_id, create_id=None)


def test_a_second_of_the_same_key_is_refused_by_the_database(engine, facility_id):
    row = {"name": "x", "facility_id": facility_id, **STAMPS}
    with database.writing(engine).begin() as connection:
        connection.execute(insert(DatasetType), row)
    with pytest.raises(DBAPIError), database.writing(engine).begin() as connection:
        connection.execute(insert(DatasetType), row)
    with database.writing(engine).begin() as connection:
        connection.execute(insert(DatasetType), {**row, "name": "X"})


def test_a_value_that_is_not_of_an_enumeration_is_refused_by_the_database(engine, facility_id):
    flags = dict.fromkeys(
        (
            "applicable_to_data_collection",
            "applicable_to_datafile",
            "applicable_to_dataset",
            "applicable_to_investigation",
            "applicable_to_sample",
            "enforced",
            "verified",
        ),
        False,
    )
    columns = ", ".join([*STAMPS, *flags, "name", "units", "facility_id", "value_type"])
    stamps = "'a', '2026-01-01', 'a', '2026-01-01'"
    false = ", ".join(["false"] * len(flags))
    statement = (
        f"INSERT INTO parameter_type ({columns}) "
        f"VALUES ({stamps}, {false}, 'n', 'u', {facility_id}, '%s')"
    )
    with pytest.raises(DBAPIError), database.writing(engine).begin() as connection:
        connection.exec_driver_sql(statement % "COLOUR")
    with database.writing(engine).begin() as connection:
        connection.exec_driver_sql(statement % "STRING")
        found = connection.execute(ParameterType.__table__.select()).one()
    assert found.value_type.name == "STRING"


def test_a_parent_takes_its_children_along(engine, facility_id):
    with database.writing(engine).begin() as connection:
        connection.execute(insert(DatasetType), {"name": "x", "facility_id": facility_id, **STAMPS})
        connection.execute(insert(Study), {"name": "s", **STAMPS})
        connection.execute(Facility.__table__.delete())
        assert connection.execute(DatasetType.__table__.select()).all() == []
        assert len(connection.execute(Study.__table__.select()).all()) == 1


def test_accounts_that_were_disabled_stay_so_through_both_ways(engine):
    config = database.alembic_config(engine, "catalog")
    command.downgrade(config, "0002")
    with database.writing(engine).begin() as connection:
        connection.exec_driver_sql("INSERT INTO password VALUES ('ana', 'a hash'), ('bob', NULL)")
    command.upgrade(config, "head")
    statement = "SELECT user_name, hash, is_disabled FROM password ORDER BY user_name"
    with database.writing(engine).begin() as connection:
        rows = connection.exec_driver_sql(statement).all()
        assert [(name, hash, bool(off)) for name, hash, off in rows] == [
            ("ana", "a hash", False),
            ("bob", None, True),
        ]
        connection.exec_driver_sql("UPDATE password SET is_disabled = true")
    command.downgrade(config, "0002")
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT user_name, hash FROM password").all()
    assert sorted(tuple(row) for row in rows) == [("ana", None), ("bob", None)]
