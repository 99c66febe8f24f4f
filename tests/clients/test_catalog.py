"""The catalog's client on a real catalog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ijp.catalog import CatalogClient, Properties, format_date, parse_date
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    PortalError,
    QueryError,
    ValidationFailedError,
)
from servicekit.embedded import WsgiAdapter


@pytest.fixture
def site(facility_site):
    """A catalog with two investigations; ana has the first."""
    return facility_site()


@pytest.fixture
def session(site):
    """Ana's session."""
    return site.catalog("ana")


def test_what_a_catalog_says_of_itself(session):
    found = session.catalog.properties()
    assert found.session_header
    assert found.search_each
    assert found.max_entities > 0
    assert [key.name for key in found.authenticators[0].keys] == ["username", "password"]
    assert [key.hide for key in found.authenticators[0].keys] == [False, True]
    assert session.catalog.version().startswith("6.")


def test_session_from_its_begin_to_its_end(site):
    session = site.login("ana")
    assert session.user_name() == "simple/ana"
    assert 119 < session.remaining_minutes() <= 120
    session.refresh()
    session.logout()
    with pytest.raises(NotAuthenticatedError) as refusal:
        session.search("Dataset")
    assert refusal.value.message == "Unable to find user by sessionid: …"


def test_session_is_in_no_address(site, monkeypatch):
    """security 3: it goes in a header where the catalog takes it there."""
    session = site.login("ana")
    seen = []
    send = WsgiAdapter.send

    def noting(adapter, request, **options):
        seen.append(request.url)
        return send(adapter, request, **options)

    monkeypatch.setattr(WsgiAdapter, "send", noting)
    session.search("Dataset")
    session.remaining_minutes()
    session.create("Dataset", **_dataset(site, "unseen"))
    assert len(seen) > 2
    assert not any(session.session_id in url for url in seen)


def _dataset(site, name):
    return {
        "name": name,
        "type": {"id": site.dataset_type_id},
        "investigation": {"id": site.investigation_ids[0]},
    }


def test_rows_are_what_was_selected(site, session):
    id = site.dataset_ids[0]
    assert session.search(f"SELECT d.name FROM Dataset d WHERE d.id = {id}") == ["dataset 1"]
    assert session.search(f"SELECT d.id, d.name FROM Dataset d WHERE d.id = {id}") == [
        [id, "dataset 1"]
    ]
    (whole,) = session.search(f"SELECT d FROM Dataset d WHERE d.id = {id} INCLUDE d.type")
    assert (whole["id"], whole["type"]["name"]) == (id, "raw")
    assert session.get("Dataset INCLUDE 1", id)["investigation"]["name"] == "inv 1"


def test_entities_are_made_changed_and_deleted(site, session):
    id = session.create("Dataset", **_dataset(site, "new"))
    session.update("Dataset", id, description="changed")
    assert session.get("Dataset", id)["description"] == "changed"
    session.update("Dataset", id, description=None)
    assert "description" not in session.get("Dataset", id)
    session.delete("Dataset", [id])
    with pytest.raises(NotFoundError):
        session.get("Dataset", id)


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda session, site: session.search("SELECT d.x FROM Dataset d"), BadRequestError),
        (
            lambda session, site: session.create("Dataset", **_dataset(site, "dataset 1")),
            ConflictError,
        ),
        (lambda session, site: session.create("Dataset", name="x"), ValidationFailedError),
        (lambda session, site: session.create("Facility", name="x"), NotAuthorizedError),
        (lambda session, site: session.get("Dataset", 999_999), NotFoundError),
    ],
)
def test_errors_are_raised_as_what_they_were(site, session, act, kind):
    with pytest.raises(kind):
        act(session, site)


QUERIES = {
    "name": "SELECT d.name FROM Dataset d WHERE d.id = :id",
    "files": "SELECT COUNT(f) FROM Datafile f WHERE f.dataset.id = :id",
    "wrong": "SELECT d.colour FROM Dataset d WHERE d.id = :id",
}


@pytest.mark.parametrize("announced", [True, False])
def test_each_query_for_each_id(site, session, announced, monkeypatch):
    """The same by one call, and by a search for each where the catalog knows no better."""
    if not announced:
        plain = Properties(1000, 120.0, session_header=True, search_each=False)
        monkeypatch.setattr(session.catalog, "_properties", plain)
    mine, theirs = site.dataset_ids
    found = session.search_each(QUERIES, [mine, theirs])
    assert found["name"] == {mine: ["dataset 1"], theirs: []}
    assert found["files"][mine] == [0]
    assert isinstance(found["wrong"], PortalError)
    assert "colour" in found["wrong"].message


def test_nothing_is_asked_for_nothing(session):
    assert session.search_each({}, [1]) == {}
    assert session.search_each(QUERIES, []) == {"name": {}, "files": {}, "wrong": {}}


def test_catalog_that_takes_the_session_in_the_address_only(site, monkeypatch):
    """As others' catalogs do."""
    session = site.login("ana")
    plain = Properties(1000, 120.0, session_header=False, search_each=False)
    monkeypatch.setattr(session.catalog, "_properties", plain)
    assert session.user_name() == "simple/ana"
    assert len(session.search("Dataset")) == 1
    made = session.create("Dataset", **_dataset(site, "other way"))
    session.delete("Dataset", [made])
    session.logout()


def test_moments_on_the_wire():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)
    assert format_date(moment) == "2026-01-02T03:04:05.678Z"
    assert format_date(moment.replace(tzinfo=None)) == "2026-01-02T03:04:05.678Z"
    east = timezone(timedelta(hours=2))
    assert format_date(datetime(2026, 1, 2, 5, 4, 5, tzinfo=east)) == "2026-01-02T03:04:05.000Z"
    assert parse_date("2026-01-02T03:04:05.678Z") == moment.replace(microsecond=678_000)
    assert parse_date("2026-01-02T05:04:05+02:00") == moment.replace(microsecond=0)
    assert parse_date("2026-01-02T03:04:05") == moment.replace(microsecond=0)


def test_query_error_says_where():
    assert str(QueryError("odd", 7)) == "odd (at character 7)"
    assert CatalogClient("http://x/icat/").url == "http://x/icat"
