"""Calls for operators: raw queries, waiting, and what does nothing here."""

from __future__ import annotations

import threading

import pytest

ROOT_ONLY = {"code": "INSUFFICIENT_PRIVILEGES", "message": "user must be in rootUserNames"}


def _jpql(session, query: str, **more):
    return session.call("GET", "/jpql", query_string={"query": query, **more})


def test_the_first_results_of_a_query_are_text(root):
    root.write(*[{"Facility": {"name": name, "daysUntilRelease": 3}} for name in "abc"])
    answer = _jpql(root, "SELECT f.name FROM Facility f")
    assert answer.text == "Count 3: a, b, c"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert _jpql(root, "SELECT f.name FROM Facility f", max=2).text == "Count at least 2: a, b"
    assert _jpql(root, "SELECT f FROM Facility f WHERE f.name = 'b'").text == "Count 1: Facility:2"
    query = "SELECT f.name, f.daysUntilRelease, f.url FROM Facility f LIMIT 1, 1"
    assert _jpql(root, query).text == "Count 1: [b, 3, null]"
    assert _jpql(root, "SELECT COUNT(f) FROM Facility f").text == "Count 1: 3"
    assert _jpql(root, "Facility [name='x']").text == "Count 0: "


def test_raw_queries_are_for_root_users_and_checked(root, ana):
    assert _jpql(ana, "Facility").json == ROOT_ONLY
    for arguments, message in (
        ({"query": "Facility", "max": "-1"}, "max must be an integer from 0 to 10000, not '-1'"),
        ({"query": "Facility", "max": "x"}, "max must be an integer from 0 to 10000, not 'x'"),
        ({}, "query is not set"),
    ):
        answer = root.call("GET", "/jpql", query_string=arguments)
        assert (answer.status_code, answer.json["message"]) == (400, message)
    assert _jpql(root, "SELECT x FROM Car x").status_code == 400


def test_sleep_says_how_long_it_was(rest):
    assert rest.call("GET", "/sleep/0").json["slept"] < 1000
    answer = rest.call("GET", "/sleep/1")
    assert list(answer.json) == ["slept"]
    assert answer.json["slept"] >= 1000


@pytest.mark.parametrize("seconds", ["11", "-1", "1.5", "x", "9" * 100, "\u0661"])
def test_nobody_sleeps_for_long(rest, seconds):
    answer = rest.call("GET", f"/sleep/{seconds}")
    assert answer.status_code == 400
    assert answer.json["message"].startswith("seconds must be an integer from 0 to 10, not ")


def test_only_two_sleep_at_a_time(app, rest):
    def sleep() -> None:
        # What looks below is asleep itself for a moment.
        while app.test_client().get("/icat/sleep/5").status_code != 200:
            pass

    threads = [threading.Thread(target=sleep) for _ in range(2)]
    for one in threads:
        one.start()
    third = 200
    while third == 200 and all(one.is_alive() for one in threads):
        third = rest.call("GET", "/sleep/0").status_code
    for one in threads:
        one.join()
    assert third == 503


def test_waiting_is_for_root_users(root, ana):
    answer = root.call("POST", "/waitMillis", data={"ms": "5"})
    assert (answer.status_code, answer.data) == (204, b"")
    assert ana.call("POST", "/waitMillis", data={"ms": "5"}).json == ROOT_ONLY
    assert root.call("POST", "/waitMillis", data={"ms": "10001"}).status_code == 400
    assert root.call("POST", "/waitMillis").json["message"] == "ms is not set"


@pytest.mark.parametrize("name", ["markPublicTablesStale", "markPublicStepsStale"])
def test_marking_rules_as_stale_is_answered(rest, name):
    assert rest.call("POST", f"/gatekeeper/{name}").status_code == 204
    assert rest.call("POST", "/gatekeeper/other").status_code == 501
