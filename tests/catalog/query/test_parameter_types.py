"""Names of parameter types, which are looked up before the query itself."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from catalog import model
from tests.catalog.query.conftest import STAMPS

BY_PATH = "SELECT p.dataset FROM DatasetParameter p WHERE p.type.name = 'size'"
BY_JOIN = "SELECT ds FROM Dataset ds JOIN ds.parameters p JOIN p.type t WHERE t.name = 'size'"
BY_LIST = "SELECT ds FROM Dataset ds JOIN ds.parameters p WHERE p.type.name IN ('size', 'none')"
INSIDE = (
    "SELECT ds FROM Dataset ds WHERE EXISTS "
    "(SELECT p FROM ds.parameters p WHERE p.type.name = 'size' AND p.numericValue > 0)"
)
CONCISE = "Dataset <-> DatasetParameter <-> ParameterType [name = 'size']"


@pytest.fixture
def statements(facility_engine):
    """The statements that were run."""
    found = []

    def note(_connection, _cursor, statement, *_):
        found.append(statement)

    event.listen(facility_engine, "before_cursor_execute", note)
    yield found
    event.remove(facility_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("query", [BY_PATH, BY_JOIN, BY_LIST, INSIDE])
def test_a_condition_on_the_name_is_one_on_the_key(searched, statements, query):
    assert searched(query) == ["d1", "d2", "d3", "d5"]
    assert "JOIN parameter_type" not in statements[-1]
    assert ".type_id IN (" in statements[-1]


def test_all_names_of_a_query_are_looked_up_at_once(searched, statements):
    query = (
        "SELECT ds FROM Dataset ds JOIN ds.parameters p JOIN ds.parameters q "
        "WHERE p.type.name = 'size' AND q.type.name = 'kind'"
    )
    assert searched(query) == ["d2", "d3"]
    assert len([one for one in statements if "FROM parameter_type" in one]) == 1


def test_concise_queries_find_the_same(searched):
    assert searched(CONCISE) == searched(BY_JOIN)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("p.type.name = 'none'", []),
        ("p.type.name = 'SIZE'", []),
        ("NOT p.type.name = 'size'", ["d2", "d3", "d3"]),
        ("p.type.name = 'kind' OR ds.name = 'd1'", ["d1", "d2", "d3"]),
        ("p.type.name = 'size' AND p.type.units = 'px'", ["d1", "d2", "d3", "d5"]),
        ("p.type.name = 'size' AND p.type.units = 'mm'", []),
        ("p.type.name = 'size' AND p.type.name = 'kind'", []),
        ("p.type.name LIKE 'ki%'", ["d2", "d3"]),
    ],
)
def test_the_rows_are_those_of_the_condition(searched, condition, names):
    query = f"SELECT ds FROM Dataset ds JOIN ds.parameters p WHERE {condition}"
    assert searched(query) == names


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("p.type.name = 'kind'", ["d2", "d3"]),
        # The path is a step to the type, which a row without parameter does not have.
        ("p.type.name = 'kind' OR ds.name = 'd0'", ["d2", "d3"]),
        ("p.id IS NULL", ["d0", "d4"]),
    ],
)
def test_rows_without_parameters_are_there_or_not_as_before(searched, condition, names):
    query = f"SELECT ds FROM Dataset ds LEFT JOIN ds.parameters p WHERE {condition}"
    assert searched(query) == names


def test_types_of_one_name_are_all_found(facility_engine, searched):
    writing = facility_engine.execution_options(writes=True)
    with writing.begin() as connection:
        made = {"name": "size", "units": "mm", "value_type": "NUMERIC", "facility_id": 1, **STAMPS}
        kind = connection.execute(
            model.ParameterType.__table__.insert().values(id=77, **made)
        ).inserted_primary_key[0]
        value = {"id": 77, "dataset_id": 1, "type_id": kind, "numeric_value": 3.0, **STAMPS}
        connection.execute(model.DatasetParameter.__table__.insert().values(**value))
    try:
        assert searched(BY_JOIN) == ["d0", "d1", "d2", "d3", "d5"]
    finally:
        with writing.begin() as connection:
            connection.exec_driver_sql("DELETE FROM dataset_parameter WHERE id = 77")
            connection.exec_driver_sql("DELETE FROM parameter_type WHERE id = 77")
