"""Asking without a session where data are."""

from __future__ import annotations

import pytest

from datastore.rate import Rate
from ijp.errors import UnavailableError


@pytest.fixture
def ask(site):
    def ask(**told: object):
        return site.process.http.get("http://datastore.embedded/ids/getStatus", params=told)

    return ask


def test_anybody_may_ask_where_data_are(site, put, ask):
    """Quirk Q1, as old clients need it."""
    id = put("a", b"abc").id
    answer = ask(datafileIds=id)
    assert (answer.status_code, answer.text) == (200, "ONLINE")
    assert ask(datafileIds=987).status_code == 404


@pytest.mark.parametrize("session", ["", "x", "00000000-0000-0000-0000-00000000000G"])
def test_a_session_that_is_none_is_not_no_session(put, ask, session):
    assert ask(datafileIds=put("a", b"abc").id, sessionId=session).status_code == 400


def test_nothing_else_is_told(site, put):
    id = put("a", b"abc").id
    for name in ("getSize", "getDatafileIds", "getData"):
        url = f"http://datastore.embedded/ids/{name}"
        assert site.process.http.get(url, params={"datafileIds": id}).status_code == 400


class TestSwitchedOff:
    @pytest.fixture
    def site(self, facility_site):
        return facility_site(more="anonymous_status = false")

    def test_it_can_be_switched_off(self, put, ask):
        assert ask(datafileIds=put("a", b"abc").id).status_code == 400


class TestSeldom:
    @pytest.fixture
    def site(self, facility_site):
        return facility_site(more="anonymous_status_per_minute = 2")

    def test_who_asks_too_often_is_put_off(self, site, put, ask):
        id = put("a", b"abc").id
        assert [ask(datafileIds=id).status_code for _ in range(3)] == [200, 200, 503]
        assert ask(datafileIds=id, sessionId=site.catalog().session_id).status_code == 200


def test_the_rate_is_by_client_and_comes_back_with_time():
    rate = Rate(2)
    for now in (0.0, 0.0):
        rate.check("a", now)
    with pytest.raises(UnavailableError, match="2 times a minute"):
        rate.check("a", 1.0)
    rate.check("b", 1.0)
    rate.check("a", 31.0)
    with pytest.raises(UnavailableError):
        rate.check("a", 32.0)


def test_many_clients_need_no_endless_memory():
    rate = Rate(1)
    for number in range(11_000):
        rate.check(str(number), 0.0)
    assert len(rate._left) == 10_000
