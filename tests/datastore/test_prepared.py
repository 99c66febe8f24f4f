"""Prepared selections in the database, which they share with other processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from datastore.model import PreparedDatafile
from datastore.prepared import PreparedSelection, PreparedStore
from datastore.selection import SelectedDatafile
from ijp.errors import NotFoundError

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
FILES = [
    SelectedDatafile(7, 1, "a ü", "ids/F/I/V/D", "1/1/x", 3, MOMENT),
    SelectedDatafile(9, 1, "b", "ids/F/I/V/D", "1/1/y", None, None),
]


@pytest.fixture
def engine(engine_of):
    return engine_of("datastore")


@pytest.fixture
def store(engine) -> PreparedStore:
    return PreparedStore(engine, timedelta(hours=1), at_most=3)


def test_a_selection_is_kept_as_it_was(store, engine):
    id = store.add(FILES, zip=True, compress=False)
    other = PreparedStore(engine, timedelta(hours=1), at_most=3)
    assert other.get(id) == PreparedSelection(True, False, FILES)


def test_an_empty_selection_is_kept(store):
    id = store.add([], zip=True, compress=True)
    assert store.get(id) == PreparedSelection(True, True, [])


def test_it_expires(store, engine):
    """Security 21."""
    short = PreparedStore(engine, timedelta(0), at_most=3)
    id = short.add(FILES, zip=False, compress=False)
    with pytest.raises(NotFoundError, match="not known, or has expired"):
        store.get(id)
    store.add([], zip=False, compress=False)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(PreparedDatafile)) == 0


def test_the_newest_are_kept(store):
    """Quirk Q10: exactly as many as are set."""
    ids = [store.add(FILES, zip=False, compress=False) for _ in range(5)]
    for id in ids[:2]:
        with pytest.raises(NotFoundError):
            store.get(id)
    assert [len(store.get(id).datafiles) for id in ids[2:]] == [2, 2, 2]
