"""Sessions over REST: log-in, status, refresh, log-out, in the header or as ICAT has it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from catalog import app as catalog_app
from catalog import settings
from catalog.auth.login import purge
from catalog.model import UserSession
from servicekit.logs import redacted


def _log_in(rest, document):
    return rest.http.post("/icat/session", data={"json": json.dumps(document)})


def test_log_in_gives_a_session_that_tells_its_user(rest):
    session = rest.login("simple", username="ana", password="ana-pass")
    answer = session.call("GET", "/session/me")
    assert answer.json["userName"] == "simple/ana"
    assert 119 < answer.json["remainingMinutes"] <= 120
    assert rest.call("GET", f"/session/{session.session_id}").json["userName"] == "simple/ana"


def test_log_in_needs_no_credentials_where_nothing_is_asked_for(rest):
    assert rest.login("anon").call("GET", "/session/me").json["userName"] == "anon/anon"


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        (
            {"plugin": "simple", "credentials": [{"username": "ana"}, {"password": "x"}]},
            "SESSION",
            "The username and password do not match",
        ),
        (
            {"plugin": "simple", "credentials": [{"username": "ana"}]},
            "SESSION",
            "password cannot be null or empty.",
        ),
        ({"plugin": "nis", "credentials": []}, "SESSION", "Authenticator mnemonic nis not"),
        ({"credentials": []}, "BAD_PARAMETER", "json must be"),
        ({"plugin": "simple", "credentials": "ana"}, "BAD_PARAMETER", "json must be"),
        ({"plugin": "simple", "credentials": [{"username": 5}]}, "BAD_PARAMETER", "json must be"),
        ({"plugin": ["simple"], "credentials": []}, "BAD_PARAMETER", "json must be"),
        ([], "BAD_PARAMETER", "json must be"),
    ],
)
def test_log_in_that_cannot_be_is_refused_with_the_reason(rest, document, code, message):
    answer = _log_in(rest, document)
    assert answer.status_code == {"SESSION": 403, "BAD_PARAMETER": 400}[code]
    assert answer.json["code"] == code
    assert answer.json["message"].startswith(message)
    assert "offset" not in answer.json


def test_log_in_without_json_is_refused(rest):
    answer = rest.http.post("/icat/session")
    assert (answer.status_code, answer.json) == (
        400,
        {"code": "BAD_PARAMETER", "message": "json is not set"},
    )


def test_guessing_is_stopped_even_with_the_right_password(rest):
    wrong = {"plugin": "simple", "credentials": [{"username": "ana"}, {"password": "x"}]}
    for _ in range(8):
        last = _log_in(rest, wrong)
    assert last.json["message"].startswith("too many failed log-ins as simple/ana: please wait")
    right = {"plugin": "simple", "credentials": [{"username": "ana"}, {"password": "ana-pass"}]}
    assert _log_in(rest, right).status_code == 403
    assert rest.login("simple", username="root", password="root-pass")


def test_log_out_ends_the_session(rest, ana):
    assert ana.call("DELETE", "/session/me").status_code == 204
    answer = ana.call("GET", "/session/me")
    assert (answer.status_code, answer.json) == (
        403,
        {"code": "SESSION", "message": f"Unable to find user by sessionid: {ana.session_id}"},
    )
    assert rest.call("DELETE", f"/session/{ana.session_id}").status_code == 403


def test_refresh_answers_nothing(rest, ana):
    answer = rest.call("PUT", f"/session/{ana.session_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert ana.call("PUT", "/session/me").status_code == 204


def test_without_a_session_nothing_is_done(rest):
    expected = {"code": "SESSION", "message": "Session Id cannot be null or empty."}
    for answer in (
        rest.call("GET", "/session/me"),
        rest.call("GET", "/entityManager", query_string={"query": "Facility"}),
        rest.post([{"Facility": {"name": "F"}}]),
        rest.delete([{"Facility": {"id": 1}}]),
        rest.call("POST", "/searchEach", data={"json": "{}"}),
    ):
        assert (answer.status_code, answer.json) == (403, expected)


def test_the_session_may_be_a_form_field_or_in_the_query_as_icat_has_it(rest, root):
    form = {"sessionId": root.session_id, "entities": '{"Facility":{"name":"F"}}'}
    assert rest.http.post("/icat/entityManager", data=form).json == [1]
    query = {"sessionId": root.session_id, "query": "Facility.name"}
    assert rest.http.get("/icat/entityManager", query_string=query).json == ["F"]
    query = {"sessionId": root.session_id, "entities": '{"Facility":{"id":1}}'}
    assert rest.http.delete("/icat/entityManager", query_string=query).status_code == 204


def test_whether_a_user_is_logged_in_can_be_asked(rest, ana):
    assert rest.call("GET", "/user/simple/ana").json == {"loggedIn": True}
    assert rest.call("GET", "/user/simple/bob").json == {"loggedIn": False}
    assert rest.call("GET", "/user/ana").json == {"loggedIn": False}


def test_no_log_line_has_a_session_or_a_password(rest, caplog):
    caplog.set_level("DEBUG")
    session = rest.login("simple", username="ana", password="ana-pass")
    rest.call("GET", f"/session/{session.session_id}")
    session.call("GET", "/entityManager", query_string={"query": "Facility"})
    lines = [redacted(record.getMessage()) for record in caplog.records]
    assert lines
    assert not [line for line in lines if session.session_id in line or "ana-pass" in line]


def _fails(rest, address: str, name: str = "ana") -> str:
    form = {"plugin": "simple", "credentials": [{"username": name}, {"password": "x"}]}
    headers = {"X-Forwarded-For": address} if address else {}
    answer = rest.http.post("/icat/session", data={"json": json.dumps(form)}, headers=headers)
    assert answer.status_code == 403
    return str(answer.json["message"])


def test_clients_cannot_choose_the_address_that_guesses_are_counted_by(rest):
    for number in range(8):
        last = _fails(rest, f"198.51.100.{number}")
    assert last.startswith("too many failed log-ins")


def test_guesses_through_a_trusted_portal_are_counted_by_the_address_behind_it(rest, settings_file):
    text = settings_file.read_text()
    settings_file.write_text(text + 'trusted_proxies = ["127.0.0.1"]\n')
    app = catalog_app.app_for(settings.read(settings_file))
    rest = replace(rest, http=app.test_client())
    for _ in range(8):
        last = _fails(rest, "198.51.100.1")
    assert last.startswith("too many failed log-ins")
    assert _fails(rest, "198.51.100.2") == "The username and password do not match"
    app.extensions["catalog"].transactions.engine.dispose()


def test_a_call_ends_with_the_rights_it_began_with(app, ana):
    """Logging out elsewhere does not tear a long search; the next call is refused."""
    services = app.extensions["catalog"]
    with services.reading(ana.session_id) as reader:
        services.logout(ana.session_id)
        assert "".join(reader.search("SELECT COUNT(f) FROM Facility f")) == "[0]"
    assert ana.call("GET", "/session/me").status_code == 403


def test_a_user_has_several_sessions_of_which_each_ends_alone(rest):
    first, second = (rest.login("simple", username="ana", password="ana-pass") for _ in range(2))
    assert first.call("DELETE", "/session/me").status_code == 204
    assert second.call("GET", "/session/me").json["userName"] == "simple/ana"


def test_a_session_that_has_run_out_can_be_revived_but_not_used(app, rest, ana):
    with app.extensions["catalog"].transactions.writing() as connection:
        ended = datetime.now(UTC) - timedelta(minutes=5)
        connection.execute(update(UserSession).values(expires=ended))
    answer = ana.call("GET", "/entityManager", query_string={"query": "Facility"})
    assert answer.json["message"] == f"Session id:{ana.session_id} has expired"
    assert ana.call("PUT", "/session/me").status_code == 204
    assert ana.call("GET", "/session/me").json["remainingMinutes"] > 119


def test_the_purge_drops_what_cannot_be_revived(app, rest, ana):
    transactions = app.extensions["catalog"].transactions
    with transactions.writing() as connection:
        ended = datetime.now(UTC) - timedelta(hours=2)
        connection.execute(update(UserSession).values(expires=ended))
    root = rest.login("simple", username="root", password="root-pass")
    purge(transactions)
    answer = ana.call("PUT", "/session/me")
    assert answer.json["message"] == f"Unable to find user by sessionid: {ana.session_id}"
    assert root.call("GET", "/session/me").status_code == 200


@pytest.mark.parametrize("text", ["\x01", "\u202eana", "\n", "x" * 20_000])
@pytest.mark.parametrize("plugin", ["simple", "db"])
def test_names_and_passwords_that_cannot_be_are_refused_as_any_other(rest, plugin, text):
    for pair in ({"username": text, "password": "x"}, {"username": "ana", "password": text}):
        pairs = [{name: value} for name, value in pair.items()]
        answer = _log_in(rest, {"plugin": plugin, "credentials": pairs})
        assert (answer.status_code, answer.json["code"]) == (403, "SESSION")
        assert answer.json["message"] == "The username and password do not match"


def test_guesses_at_one_process_count_at_every_other(rest, settings_file):
    other = catalog_app.app_for(settings.read(settings_file))
    clients = [rest, replace(rest, http=other.test_client())]
    for number in range(8):
        last = _fails(clients[number % 2], "")
    assert last.startswith("too many failed log-ins as simple/ana")
    other.extensions["catalog"].transactions.engine.dispose()
