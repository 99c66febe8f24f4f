"""Queries for each of many ids."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from catalog import search
from catalog.authz.caller import Caller
from ijp.errors import QueryError

ROOT = Caller("simple/root", is_root=True)
P = "SELECT p.{} FROM DatasetParameter p WHERE p.dataset.id = :id AND p.type.name = '{}'"


@pytest.fixture
def each(facility_engine):
    def each(query: str, ids: list[int], caller: Caller = ROOT):
        with facility_engine.connect() as connection:
            return search.search_each(connection, caller, {"q": query}, ids)["q"]

    return each


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (P.format("numericValue", "size"), {"1": [], "2": [1.5], "3": [2.5], "4": [3.5]}),
        (P.format("stringValue", "kind"), {"1": [], "2": [], "3": ["K2"], "4": ["K3"]}),
        (
            P.format("dateTimeValue", "taken"),
            {"1": [], "2": [], "3": [], "4": ["2026-03-04T00:00:00.000Z"]},
        ),
        (P.format("numericValue", "kind"), {"1": [], "2": [], "3": [None], "4": [None]}),
        ("COUNT(Datafile) <-> Dataset [id=:id]", {"1": [0], "2": [1], "3": [2], "4": [0]}),
        (
            "DatasetParameter.numericValue <-> Dataset [id = :id] "
            "<-> DatasetParameter [type.name = 'size']",
            {"1": [], "2": [1.5], "3": [2.5], "4": [3.5]},
        ),
        (
            "SELECT p.id FROM DatasetParameter p WHERE p.dataset.id = :id ORDER BY p.id DESC",
            {"1": [], "2": [1], "3": [3, 2], "4": [6, 5]},
        ),
        (
            "SELECT p.id FROM DatasetParameter p WHERE p.dataset.id = :id LIMIT 1, 1",
            {"1": [], "2": [], "3": [3], "4": [5]},
        ),
        (
            "SELECT DISTINCT p.type.name FROM DatasetParameter p WHERE p.dataset.id = :id "
            "ORDER BY p.type.id",
            {"1": [], "2": ["size"], "3": ["size", "kind"], "4": ["size", "kind"]},
        ),
        (
            "SELECT SUM(f.fileSize) FROM Datafile f WHERE f.dataset.id = :id",
            {"1": [None], "2": [10], "3": [30], "4": [None]},
        ),
        (
            "SELECT ds.complete FROM Dataset ds WHERE ds.id = :id",
            {"1": [False], "2": [True], "3": [False], "4": [True]},
        ),
        (
            "SELECT ds.name FROM Dataset ds WHERE EXISTS (SELECT f FROM ds.datafiles f) "
            "AND ds.id = :id + 1",
            {"1": ["d1"], "2": ["d2"], "3": [], "4": ["d4"]},
        ),
        ("SELECT f.name FROM Facility f", {"1": ["F"], "2": ["F"], "3": ["F"], "4": ["F"]}),
    ],
)
def test_values_are_those_of_one_search_for_each_id(each, query, values):
    assert each(query, [1, 2, 3, 4]) == values


def test_each_query_is_one_statement_and_a_wrong_one_spoils_no_other(facility_engine):
    queries = {
        "wrong": "SELECT ds.colour FROM Dataset ds WHERE ds.id = :id",
        "right": P.format("numericValue", "size"),
        "entity": "SELECT ds FROM Dataset ds WHERE ds.id = :id",
        "two": "SELECT ds.id, ds.name FROM Dataset ds WHERE ds.id = :id",
    }
    ran = []
    with facility_engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *about: ran.append(about[2]))
        found = search.search_each(connection, ROOT, queries, [2, 3, 2])
    assert found == {
        "wrong": {"error": "Dataset has no field colour (at character 10)"},
        "right": {"2": [1.5], "3": [2.5]},
        "entity": {"error": "a query for each id selects one value (at character 0)"},
        "two": {"error": "a query for each id selects one value (at character 0)"},
    }
    assert len([one for one in ran if one != "BEGIN"]) == 1


def test_without_a_rule_nothing_is_seen(each):
    assert each(P.format("numericValue", "size"), [2], Caller("db/ana")) == {"2": []}
    assert each("COUNT(Datafile) <-> Dataset [id=:id]", [2], Caller("db/ana")) == {"2": [0]}


def test_no_ids_are_no_values(each):
    assert each("SELECT f.name FROM Facility f", []) == {}


@pytest.mark.parametrize("id", [0, -1, 2**63])
def test_what_cannot_be_an_id_is_refused(each, id):
    with pytest.raises(QueryError, match="is not an id"):
        each("SELECT f.name FROM Facility f", [id])
