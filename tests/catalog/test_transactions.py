"""Readers wait for no writer, and the database's failures are told as such."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import DBAPIError

from catalog.model import Password
from catalog.transactions import Transactions
from ijp.errors import UnavailableError


@pytest.fixture
def transactions(engine_of) -> Transactions:
    return Transactions(engine_of("catalog"))


def test_readers_do_not_wait_for_a_writer_nor_see_its_work(transactions):
    with transactions.writing() as writer:
        writer.execute(insert(Password), {"user_name": "ana"})
        with transactions.reading() as reader:
            assert reader.execute(select(Password.user_name)).all() == []
    with transactions.reading() as reader:
        assert reader.scalars(select(Password.user_name)).all() == ["ana"]


def test_a_writer_does_not_wait_for_readers(transactions):
    with transactions.reading() as reader:
        assert reader.execute(select(Password.user_name)).all() == []
        with transactions.writing() as writer:
            writer.execute(insert(Password), {"user_name": "ana"})
        assert reader.execute(select(Password.user_name)).all() == []


def test_what_fails_is_rolled_back(transactions):
    def fail() -> None:
        with transactions.writing() as writer:
            writer.execute(insert(Password), {"user_name": "ana"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with transactions.reading() as reader:
        assert reader.execute(select(Password.user_name)).all() == []


def test_writers_of_many_threads_all_succeed(transactions):
    def write(number: int) -> None:
        with transactions.writing() as writer:
            count = writer.scalar(text("SELECT count(*) FROM password"))
            assert count is not None
            writer.execute(insert(Password), {"user_name": f"user{number}"})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transactions.reading() as reader:
        assert reader.scalar(text("SELECT count(*) FROM password")) == 24


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_reading_cannot_write_on_postgresql(transactions):
    with pytest.raises(DBAPIError, match="read-only"), transactions.reading() as reader:
        reader.execute(insert(Password), {"user_name": "ana"})


def test_a_database_that_fails_is_told_without_its_details(transactions):
    statement = {
        "sqlite": "SELECT * FROM no_such_table",
        "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
    }[transactions.engine.dialect.name]
    with pytest.raises(UnavailableError) as failure, transactions.reading() as reader:
        reader.execute(text(statement))
    assert failure.value.message == "the database does not answer now; please try again"


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_told_as_such(engine_of):
    engine = engine_of("catalog")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @event.listens_for(engine, "connect")
    def _limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count={pages + 1}")

    engine.dispose()
    transactions = Transactions(engine)
    rows = [{"user_name": f"user{number}", "hash": "x" * 200} for number in range(1000)]
    with (
        pytest.raises(UnavailableError, match="the catalog's disk is full"),
        transactions.writing() as writer,
    ):
        writer.execute(insert(Password), rows)
    with transactions.reading() as reader:
        assert reader.execute(select(Password.user_name)).all() == []
