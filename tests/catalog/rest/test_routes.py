"""What the catalog says of itself, and how it answers what it does not know."""

from __future__ import annotations

import json
import re

import pytest

ORIGIN = "https://portal.example.org"


def test_version_is_the_one_of_the_interface(rest):
    assert rest.call("GET", "/version").json == {"version": "6.2.0"}


def test_properties_say_what_a_client_needs(rest):
    keys = [{"name": "username"}, {"name": "password", "hide": True}]
    assert rest.call("GET", "/properties").json == {
        "maxEntities": 1000,
        "lifetimeMinutes": 120,
        "authenticators": [
            {"mnemonic": "simple", "keys": keys, "friendly": "Local account"},
            {"mnemonic": "db", "keys": keys, "friendly": "Facility account"},
            {"mnemonic": "anon", "keys": [], "friendly": "Anonymous"},
        ],
        "containerType": "UNKNOWN",
        "sessionHeader": True,
        "searchEach": True,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("GET", ""), ("PUT", "/entityManager"), ("POST", "/version")],
)
def test_unknown_routes_are_not_implemented(rest, method, path):
    answer = rest.call(method, path)
    assert (answer.status_code, answer.json) == (
        501,
        {
            "code": "NOT_IMPLEMENTED",
            "message": "Operation not implemented by this ICAT server.",
        },
    )


def test_a_bug_is_told_without_its_details_and_can_be_found_in_the_log(app, rest, root, caplog):
    def fail(*_: object) -> None:
        raise RuntimeError("details of the bug")

    object.__setattr__(app.extensions["catalog"], "transactions", fail)
    answer = root.call("GET", "/session/me")
    assert answer.status_code == 500
    assert answer.json["code"] == "INTERNAL"
    assert answer.json["message"] == "something went wrong on the server"
    assert re.fullmatch("[0-9a-f]{12}", answer.json["correlationId"])
    assert answer.json["correlationId"] == answer.headers["X-Request-Id"]


def test_pages_of_allowed_origins_may_read_the_answers(rest):
    answer = rest.call("GET", "/version", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE, PUT"
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    before = rest.call("OPTIONS", "/entityManager", headers=asked)
    assert before.status_code == 200
    assert before.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Authorization" in before.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", ORIGIN + ".evil.org", "*"])
def test_pages_of_other_origins_may_not(rest, origin):
    answer = rest.call("GET", "/version", headers={"Origin": origin})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert answer.headers["Vary"] == "Origin"


def test_answers_are_neither_kept_nor_guessed_at(rest):
    headers = rest.call("GET", "/version").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "application/json"


def test_search_gives_entities_scalars_and_rows_as_icat_has_them(root):
    root.create("Facility", name="Grün", daysUntilRelease=3)
    (row,) = root.search("SELECT f FROM Facility f")
    facility = row["Facility"]
    assert facility["name"] == "Grün"
    assert facility["createId"] == "simple/root"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facility["createTime"])
    assert facility["instruments"] == []
    assert "description" not in facility
    assert root.search("SELECT f.name FROM Facility f") == ["Grün"]
    assert root.search("SELECT f.id, f.description FROM Facility f") == [[1, None]]
    assert root.search("SELECT COUNT(f) FROM Facility f") == [1]
    assert root.get("Facility", 1) == facility


@pytest.mark.parametrize("id", ["0", "-1", "x", "1.5", "9" * 30, "1;2"])
def test_an_id_that_is_none_is_refused(root, id):
    answer = root.call("GET", "/entityManager", query_string={"query": "Facility", "id": id})
    assert (answer.status_code, answer.json) == (
        400,
        {"code": "BAD_PARAMETER", "message": f"Badly formatted id: {id}"},
    )


def test_an_entity_that_is_not_there_is_not_found(root):
    answer = root.call("GET", "/entityManager", query_string={"query": "Facility", "id": "7"})
    assert (answer.status_code, answer.json) == (
        404,
        {"code": "NO_SUCH_OBJECT_FOUND", "message": "Facility[id:7] not found."},
    )


def test_a_wrong_query_names_what_is_wrong_and_where(root):
    answer = root.call(
        "GET", "/entityManager", query_string={"query": "SELECT f.colour FROM Facility f"}
    )
    assert (answer.status_code, answer.json["code"]) == (400, "BAD_PARAMETER")
    assert "colour" in answer.json["message"]
    assert "at character" in answer.json["message"]


def test_several_queries_are_answered_for_several_ids(root, make_dataset, places):
    values = [{"type": {"id": places["number"]}, "numericValue": 2.5}]
    first, second = make_dataset("a", parameters=values), make_dataset("b")
    size = (
        "SELECT p.numericValue FROM Dataset ds JOIN ds.parameters p"
        " WHERE ds.id = :id AND p.type.name = 'size'"
    )
    document = {
        "queries": {"size": size, "wrong": "SELECT x FROM Datset x"},
        "ids": [first, second],
    }
    answer = root.call("POST", "/searchEach", data={"json": json.dumps(document)})
    assert answer.status_code == 200
    assert answer.json["size"] == {str(first): [2.5], str(second): []}
    assert "Datset" in answer.json["wrong"]["error"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"queries": {}, "ids": 5},
        {"queries": {"a": 5}, "ids": []},
        {"queries": {}, "ids": ["x"]},
        {"queries": {}, "ids": [True]},
        {"queries": {}, "ids": [1], "more": 1},
        {"queries": {str(number): "" for number in range(201)}, "ids": [1]},
        {"queries": {}, "ids": [1] * 10_001},
    ],
)
def test_several_queries_in_a_wrong_form_are_refused(root, document):
    answer = root.call("POST", "/searchEach", data={"json": json.dumps(document)})
    assert (answer.status_code, answer.json["code"]) == (400, "BAD_PARAMETER")
