"""What the commands of the shell share: the catalog's database, as its settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from catalog import settings
from catalog.settings import CatalogSettings
from catalog.transactions import Transactions
from servicekit import database


@contextmanager
def transactions(settings_file: Path) -> Iterator[tuple[CatalogSettings, Transactions]]:
    """The settings, and the transactions of their database."""
    given = settings.read(settings_file)
    engine = database.engine_for(given.database_url, "catalog")
    try:
        yield given, Transactions(engine)
    finally:
        engine.dispose()


@contextmanager
def reading(settings_file: Path) -> Iterator[tuple[CatalogSettings, Connection]]:
    """The settings, and one transaction that reads."""
    with transactions(settings_file) as (given, found), found.reading() as connection:
        yield given, connection


@contextmanager
def writing(settings_file: Path) -> Iterator[Connection]:
    """One transaction that writes."""
    with transactions(settings_file) as (_, found), found.writing() as connection:
        yield connection
