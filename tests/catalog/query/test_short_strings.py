"""Parameter values are found by the indexes that are made for them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import event, insert, text

from catalog.authz.caller import Caller
from catalog.model import (
    Dataset,
    DatasetParameter,
    DatasetType,
    Facility,
    Investigation,
    InvestigationType,
    ParameterType,
)
from servicekit import database
from tests.catalog import searching as search

ROOT = Caller("simple/root", is_root=True)
LONG = "x" * 201


@pytest.fixture(scope="module")
def engine(module_engine):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    stamps = {"create_id": "a", "create_time": moment, "mod_id": "a", "mod_time": moment}
    flags = {
        column.key: False for column in ParameterType.__table__.columns if "appl" in column.key
    }
    with database.writing(module_engine).begin() as connection:
        for entity, values in (
            (Facility, {"name": "F"}),
            (InvestigationType, {"name": "t", "facility_id": 1}),
            (DatasetType, {"name": "t", "facility_id": 1}),
            (
                Investigation,
                {"name": "i", "visit_id": "1", "title": "t", "type_id": 1, "facility_id": 1},
            ),
            (
                ParameterType,
                {"name": "kind", "units": "u", "facility_id": 1, "value_type": "STRING", **flags},
            ),
        ):
            connection.execute(insert(entity), {"id": 1, **values, **stamps})
        datasets = [
            {"id": id, "name": f"d{id}", "investigation_id": 1, "type_id": 1, **stamps}
            for id in range(1, 2001)
        ]
        connection.execute(insert(Dataset), datasets)
        values = [
            {
                "dataset_id": id,
                "type_id": 1,
                "string_value": LONG if id == 5 else f"v{id}",
                "numeric_value": id / 2,
                **stamps,
            }
            for id in range(1, 2001)
        ]
        connection.execute(insert(DatasetParameter), values)
        connection.execute(text("ANALYZE"))
    return module_engine


def _names(engine, condition):
    query = f"SELECT d.name FROM Dataset d JOIN d.parameters p WHERE p.type.id = 1 AND {condition}"
    with engine.begin() as connection:
        return search.search(connection, ROOT, query, max_entities=10_000)


def _plan(engine, condition):
    """How the database finds what a condition holds for."""
    statements = []

    def note(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    _names(engine, condition)
    event.remove(engine, "before_cursor_execute", note)
    (statement, parameters) = next(one for one in statements if "dataset_parameter" in one[0])
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            ("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement, parameters
        )
        return "\n".join(str(row) for row in rows)


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("p.stringValue = 'v7'", "ix_dataset_parameter_string"),
        ("'v7' = p.stringValue", "ix_dataset_parameter_string"),
        ("p.stringValue IN ('v7', 'v9')", "ix_dataset_parameter_string"),
        ("p.numericValue > 999.5", "ix_dataset_parameter_numeric"),
        ("p.numericValue BETWEEN 3 AND 4", "ix_dataset_parameter_numeric"),
    ],
)
def test_a_search_by_value_uses_the_index(engine, condition, index):
    assert index in _plan(engine, condition)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("p.stringValue = 'v7'", ["d7"]),
        ("p.stringValue IN ('v7', 'v9')", ["d7", "d9"]),
        (f"p.stringValue = '{LONG}'", ["d5"]),
        (f"p.stringValue IN ('v7', '{LONG}')", ["d5", "d7"]),
        ("NOT p.stringValue = 'v7' AND d.id < 9 AND d.id > 4", ["d5", "d6", "d8"]),
        ("p.stringValue NOT IN ('v7') AND d.id < 9 AND d.id > 4", ["d5", "d6", "d8"]),
        ("p.stringValue <> 'v7' AND d.id < 9 AND d.id > 4", ["d5", "d6", "d8"]),
        ("p.stringValue = CONCAT('v', '7')", ["d7"]),
        ("p.stringValue = p.stringValue AND d.id = 5", ["d5"]),
    ],
)
def test_long_strings_are_found_all_the_same(engine, condition, names):
    assert _names(engine, condition) == names
