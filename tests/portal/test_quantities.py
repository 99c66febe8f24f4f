"""Named quantities: every aggregate, each user's own view, one call for many datasets."""

from __future__ import annotations

import logging
from datetime import datetime

import pytest

from ijp.catalog import CatalogClient
from ijp.errors import NotAuthenticatedError, NotFoundError
from portal import quantities
from portal.selection import Selection, look_up

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


@pytest.fixture
def ana(portal):
    client = CatalogClient("http://catalog.embedded/icat", portal.process.http)
    return client.login("simple", {"username": "ana", "password": "ana's own words"})


def asked(portal, session, *ids):
    selected = look_up(session, Selection(ids)).require_all()
    return quantities.of_datasets(session, portal.services.definitions, selected.datasets)


def test_each_aggregate_gives_its_value(portal, ana, caplog):
    """req. 115, 117, 118"""
    caplog.set_level(logging.WARNING)
    two = portal.dataset("two", type="other", files={"a": b"12", "b": b"12345"})
    none = portal.dataset("none", type="other", files={})
    raw = portal.dataset("raw", channels=3)
    found = asked(portal, ana, two, none, raw)
    created = found[two].pop("created")
    assert isinstance(created, datetime)
    assert created.tzinfo
    assert found[two] == {
        "files": 2,
        "total": 7,
        "mean": 3.5,
        "least": 2,
        "most": 5,
        "size": None,
        "note": None,
        "wrong": None,
    }
    assert (found[none]["files"], found[none]["total"], found[none]["size"]) == (0, None, None)
    assert found[raw] == {"numChannels": 3.0}
    assert f"quantity size of dataset {two} has several values" in caplog.text
    assert "quantity wrong: " in caplog.text
    assert "colour" in caplog.text


def test_hidden_data_are_not_counted(portal, ana):
    """req. 116"""
    id = portal.dataset("mine", type="other", files={"a": b"1"})
    rules = portal.root.search("SELECT r.id, r.what FROM Rule r")
    files = [id for id, what in rules if what.startswith("SELECT df FROM Datafile")]
    portal.root.delete("Rule", files)
    assert asked(portal, ana, id)[id]["files"] == 0


def test_a_foreign_dataset_has_no_quantities(portal, ana):
    id = portal.dataset("foreign", investigation="C")
    with pytest.raises(NotFoundError, match=f"there is no dataset {id} that you may see"):
        asked(portal, ana, id)


def test_one_call_for_many_datasets_and_quantities(portal, ana, monkeypatch):
    """The queries are batched, not one for each dataset and quantity."""
    ids = [portal.dataset(f"d{number}", type="other", files={}) for number in range(7)]
    calls = []
    call = ana.catalog.call
    monkeypatch.setattr(
        ana.catalog, "call", lambda *args, **more: calls.append(args) or call(*args, **more)
    )
    found = asked(portal, ana, *ids)
    assert [one["files"] for one in found.values()] == [0] * 7
    assert [args[:2] for args in calls] == [("GET", "/entityManager"), ("POST", "/searchEach")]


def test_a_catalog_without_the_extension_gives_the_same(portal, ana, monkeypatch):
    ids = [portal.dataset("a", type="other"), portal.dataset("b", channels=2)]
    with_extension = asked(portal, ana, *ids)
    properties = ana.catalog.properties()
    assert properties.search_each
    object.__setattr__(properties, "search_each", False)
    assert asked(portal, ana, *ids) == with_extension
    ana.logout()
    with pytest.raises(NotAuthenticatedError):
        ana.search_each({"x": "SELECT d.name FROM Dataset d WHERE d.id = :id"}, ids)


def test_the_interface_tells_them(portal):
    id = portal.dataset("raw", channels=3)
    found = portal.user()._json("GET", "/quantities", params={"datasetIds": str(id)})
    assert found == {"quantities": {str(id): {"numChannels": 3.0}}}
