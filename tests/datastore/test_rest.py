"""The plain calls, and errors as the interface has them."""

from __future__ import annotations

import pytest

from ijp.datastore import Selection


@pytest.fixture
def call(site):
    def call(method, path, **options):
        return site.process.http.request(method, f"http://datastore.embedded{path}", **options)

    return call


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("ping", "IdsOK"),
        ("getApiVersion", "2.1.1"),
        ("getIcatUrl", "http://127.0.0.1:8080"),
        ("isReadOnly", "false"),
        ("isTwoLevel", "false"),
    ],
)
def test_plain_calls(call, path, text):
    answer = call("GET", f"/ids/{path}")
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_version_says_that_the_session_may_be_in_a_header(call):
    told = {"version": "2.1.1", "sessionHeader": True, "tus": True, "putMany": True}
    assert call("GET", "/ids/version").json() == told


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ids/"),
        ("GET", "/ids/nothing"),
        ("GET", "/ids/put"),
        ("DELETE", "/ids/ping"),
        ("POST", "/ids/getlink"),
        ("GET", "/ids/ping/more"),
    ],
)
def test_what_is_no_call_is_501(call, method, path):
    """ids-api §1: NOT_IMPLEMENTED, not 404."""
    answer = call(method, path)
    assert answer.status_code == 501
    assert answer.json() == {
        "code": "NOT_IMPLEMENTED",
        "message": "this data service has no such call",
    }


@pytest.mark.parametrize("path", ["archive", "restore", "write", "getLink"])
def test_what_needs_an_archive_is_501(call, path):
    answer = call("POST", f"/ids/{path}", data={"datasetIds": "1"})
    assert (answer.status_code, answer.json()["code"]) == (501, "NotImplementedException")


def test_errors_are_ascii_and_have_two_members(call):
    """python-icat decodes error bodies as ASCII."""
    params = {"sessionId": "00000000-0000-0000-0000-000000000000", "datafileIds": "ü"}
    answer = call("GET", "/ids/getSize", params=params)
    assert answer.status_code == 400
    assert answer.content.isascii()
    assert set(answer.json()) == {"code", "message"}


def test_a_session_in_the_header_goes_before_one_in_the_query(site, call):
    own = site.catalog().session_id
    params = {"sessionId": "00000000-0000-0000-0000-000000000000"}
    headers = {"Authorization": f"Bearer {own}"}
    assert call("GET", "/ids/getSize", params=params, headers=headers).text == "0"
    assert call("GET", "/ids/getSize", params=params).status_code == 403


def test_no_page_of_another_origin_may_call_unless_it_is_set(call):
    headers = {"Origin": "https://evil.example"}
    answer = call("GET", "/ids/ping", headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers


class TestAllowedOrigins:
    @pytest.fixture
    def site(self, facility_site):
        return facility_site(more='allowed_origins = ["https://pages.example"]')

    @pytest.mark.parametrize("origin", ["https://pages.example", "https://evil.example"])
    def test_only_those_that_are_set(self, call, origin):
        answer = call("GET", "/ids/ping", headers={"Origin": origin})
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        assert allowed == (origin if "pages" in origin else None)


def test_the_catalog_is_away(site, call, monkeypatch):
    monkeypatch.setenv("DATASTORE__CATALOG_URL", "http://127.0.0.1:9/icat")
    site.process._apps.pop("datastore", None)
    params = {"sessionId": "00000000-0000-0000-0000-000000000000", "datafileIds": "1"}
    answer = call("GET", "/ids/getSize", params=params)
    assert (answer.status_code, answer.json()["code"]) == (503, "InternalException")
    assert "00000000" not in answer.text


def test_a_file_goes_in_and_out_on_either_database(facility_site, database_url):
    site = facility_site(database_url=database_url)
    session = site.datastore()
    stored = session.put(
        [b"abc"],
        name="a",
        dataset_id=site.dataset_ids[0],
        datafile_format_id=site.datafile_format_id,
    )
    selection = Selection(datafile_ids=[stored.id])
    prepared = session.prepare(selection)
    with session.datastore.get_prepared(prepared) as download:
        assert b"".join(download.blocks()) == b"abc"
    session.delete(selection)
    assert site.stored_files() == []
