"""INCLUDE, get and the JSON of entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from catalog.authz.caller import Caller
from tests.catalog import searching as search

ROOT = Caller("simple/root", is_root=True)
D2 = " FROM Dataset ds WHERE ds.name = 'd2' "


@pytest.fixture
def connection(facility_engine: Engine) -> Iterator[Connection]:
    with facility_engine.connect() as connection:
        yield connection


@pytest.fixture
def found(connection):
    """Gives the one entity that a query finds."""

    def found(query: str) -> Any:
        ((_, body),) = search.search(connection, ROOT, query, max_entities=1000)[0].items()
        return body

    return found


@pytest.fixture
def statements(connection) -> list[str]:
    """The statements that run on the connection."""
    ran: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "BEGIN":
            ran.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    return ran


def test_an_entity_as_json(connection):
    (row,) = search.search(connection, ROOT, "SELECT ds" + D2, max_entities=10)
    assert row == {
        "Dataset": {
            "id": 3,
            "createId": "simple/root",
            "createTime": "2026-02-03T00:00:00.000Z",
            "modId": "simple/root",
            "modTime": "2026-01-02T03:04:05.000Z",
            "complete": False,
            "description": "50%_off",
            "fileCount": 0,
            "fileSize": 200,
            "name": "d2",
            "startDate": "2026-01-03T12:00:00.000Z",
            "dataCollectionDatasets": [],
            "datafiles": [],
            "datasetInstruments": [],
            "datasetTechniques": [],
            "parameters": [],
        }
    }


def test_include_one_gives_all_to_one_relations(found):
    body = found("SELECT ds FROM Dataset ds WHERE ds.name = 'd0' INCLUDE 1")
    assert [body[name]["name"] for name in ("investigation", "sample", "type")] == [
        "inv1",
        "Gold",
        "raw",
    ]
    assert body["datafiles"] == []


def test_a_relation_that_is_not_there_is_left_out(found):
    assert "sample" not in found("SELECT ds" + D2 + "INCLUDE 1")


def test_steps_go_on_from_variables_and_paths(found):
    body = found(
        "SELECT ds" + D2 + "INCLUDE ds.parameters AS p, p.type t, t.facility, "
        "ds.investigation.facility, ds.datafiles.datafileFormat"
    )
    assert [one["type"]["name"] for one in body["parameters"]] == ["size", "kind"]
    assert body["parameters"][0]["type"]["facility"]["name"] == "F"
    assert body["parameters"][0]["numericValue"] == 2.5
    assert body["parameters"][0]["type"]["valueType"] == "NUMERIC"
    assert body["investigation"]["facility"]["name"] == "F"
    assert [one.get("datafileFormat", {}).get("name") for one in body["datafiles"]] == [
        None,
        "tiff",
    ]


def test_the_way_back_is_included_too(found):
    body = found("SELECT ds" + D2 + "INCLUDE ds.type t, t.datasets")
    assert [one["name"] for one in body["type"]["datasets"]] == ["d0", "d1", "d2", "d3"]
    assert body["type"]["datasets"][0]["datafiles"] == []


def test_limit_may_stand_before_or_after_include(connection):
    for tail in ("INCLUDE ds.type LIMIT 1, 1", "LIMIT 1, 1 INCLUDE ds.type"):
        text = f"SELECT ds FROM Dataset ds {tail}"
        (row,) = search.search(connection, ROOT, text, max_entities=10)
        assert (row["Dataset"]["name"], row["Dataset"]["type"]["name"]) == ("d1", "raw")


def test_concise_include_names_entities(found):
    body = found("Investigation INCLUDE Dataset, Datafile, DatafileFormat [name = 'inv2']")
    names = [[one["name"] for one in dataset["datafiles"]] for dataset in body["datasets"]]
    assert names == [["f0", "f1"], []]


def test_include_is_ignored_where_rows_are_no_entities(connection):
    text = "SELECT ds.name" + D2 + "INCLUDE ds.type"
    assert search.search(connection, ROOT, text, max_entities=10) == ["d2"]


def test_there_is_one_statement_for_each_step(connection, statements):
    text = "SELECT ds FROM Dataset ds INCLUDE ds.parameters p, p.type, ds.investigation"
    search.search(connection, ROOT, text, max_entities=1000)
    assert len(statements) == 4


def test_a_user_under_rules_costs_one_statement_more(connection, statements):
    search.search(connection, Caller("db/ana"), "Dataset", max_entities=1000)
    assert len(statements) == 1, "no rule: nothing to search"


@pytest.mark.parametrize("query", ["Dataset", "Dataset ds", "Dataset AS ds INCLUDE 1"])
def test_get(connection, query):
    found = search.get(connection, ROOT, query, 3, max_entities=10)
    assert found["Dataset"]["name"] == "d2"
    assert ("type" in found["Dataset"]) == ("INCLUDE" in query)


def test_get_with_steps(connection):
    for query in ("Dataset ds INCLUDE ds.type", "Dataset INCLUDE DatasetType"):
        found = search.get(connection, ROOT, query, 3, max_entities=10)
        assert found["Dataset"]["type"]["name"] == "raw"
