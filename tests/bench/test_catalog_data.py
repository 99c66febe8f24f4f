from __future__ import annotations

import pytest
from sqlalchemy import Engine, create_engine, text

from bench.catalog_data import Sizes, fill
from servicekit import database

SIZES = Sizes(investigations=20, datasets=205, users=4, per_user=5, datafiles=2)


@pytest.fixture(scope="module")
def filled(postgresql_server):
    admin = create_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE bench_data"))
    admin.dispose()
    engine = database.engine_for(f"{postgresql_server}/bench_data", "catalog")
    database.upgrade(engine, "catalog")
    fill(engine, SIZES)
    yield engine
    engine.dispose()


def _all(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


@pytest.mark.slow
def test_there_is_as_much_as_was_asked_for(filled):
    tables = ("investigation", "dataset", "dataset_parameter", "datafile", "investigation_user")
    counts = [_all(filled, f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    assert counts == [20, 205, 205 * 9, 205 * 2, 20]


@pytest.mark.slow
def test_every_dataset_has_a_value_of_each_type(filled):
    kinds = _all(
        filled,
        "SELECT t.value_type, count(numeric_value), count(string_value), count(date_time_value), "
        "count(DISTINCT dataset_id) FROM dataset_parameter p JOIN parameter_type t "
        "ON t.id = p.type_id GROUP BY 1 ORDER BY 1",
    )
    assert kinds == [
        ("DATE_AND_TIME", 0, 0, 205, 205),
        ("NUMERIC", 7 * 205, 0, 0, 205),
        ("STRING", 0, 205, 0, 205),
    ]


@pytest.mark.slow
def test_sums_of_an_investigation_are_those_of_its_files(filled):
    wrong = _all(
        filled,
        "SELECT i.id FROM investigation i WHERE (file_count, file_size) <> (SELECT count(*), "
        "coalesce(sum(df.file_size), 0) FROM datafile df JOIN dataset ds ON ds.id = df.dataset_id "
        "WHERE ds.investigation_id = i.id)",
    )
    assert wrong == []


@pytest.mark.slow
def test_tables_are_as_the_migrations_made_them(filled):
    assert database.fault_of(filled, "catalog") is None


@pytest.mark.slow
def test_further_rows_have_ids_of_their_own(filled):
    next_id = _all(filled, "SELECT nextval(pg_get_serial_sequence('dataset', 'id'))")
    assert next_id > _all(filled, "SELECT max(id) FROM dataset")
