"""How queries are run."""

from __future__ import annotations

import pytest
from sqlalchemy import event


@pytest.fixture
def wanted(facility_engine):
    """Whether the statements of a query ask PostgreSQL for first rows."""
    found = []

    def note(_connection, _cursor, statement, *_):
        found.append(statement)

    event.listen(facility_engine, "before_cursor_execute", note)
    yield lambda: any("parallel_setup_cost" in one for one in found)
    event.remove(facility_engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("query", "first_rows"),
    [
        ("SELECT ds FROM Dataset ds LIMIT 0, 50", True),
        ("SELECT ds FROM Dataset ds", False),
        ("SELECT COUNT(ds) FROM Dataset ds LIMIT 0, 50", False),
    ],
)
def test_a_page_asks_for_its_first_rows(searched, facility_engine, wanted, query, first_rows):
    assert searched(query)
    assert wanted() is (first_rows and facility_engine.dialect.name == "postgresql")
