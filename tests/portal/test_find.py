"""Searches against a real catalog, as users with different rights."""

from __future__ import annotations

import io
import zipfile

import pytest
import requests

from ijp.errors import BadRequestError, NotAuthorizedError, NotFoundError, ValidationFailedError

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


@pytest.fixture
def names(portal):
    """The names of the datasets that a search finds, in its order."""

    def names(user: str = "ana", **search) -> list[str]:
        return [one["name"] for one in portal.user(user).datasets(**search)["datasets"]]

    return names


@pytest.fixture
def filled(portal):
    """Five datasets: three of A, one of B (ana reads it), one of C (ben's own)."""
    made = {
        "one": portal.dataset("one", channels=1),
        "two": portal.dataset("two", channels=3),
        "o'brien": portal.dataset("o'brien", channels=4, type="other"),
        "shared": portal.dataset("shared", investigation="B", channels=3),
        "own": portal.dataset("own", investigation="C", channels=3),
    }
    types = dict(portal.root.search("SELECT t.name, t.id FROM ParameterType t"))
    taken = portal.root.create(
        "ParameterType",
        name="taken",
        units="UTC",
        valueType="DATE_AND_TIME",
        applicableToDataset=True,
        facility={"id": 1},
    )
    for name, note, day in (("one", "Cells in water", 3), ("two", "100%", 5)):
        for values in (
            {"type": {"id": types["note"]}, "stringValue": note},
            {"type": {"id": taken}, "dateTimeValue": f"2026-11-0{day}T10:30:00.000Z"},
        ):
            portal.root.create("DatasetParameter", dataset={"id": made[name]}, **values)
    return made


def test_users_find_what_their_rules_allow(filled, names):
    """req. 2"""
    assert set(names("ana")) == {"one", "two", "o'brien", "shared"}
    assert set(names("ben")) == {"shared", "own"}


OPERATORS = {
    "numChannels:eq:3": {"two", "shared"},
    "numChannels:ne:3": {"one", "o'brien"},
    "numChannels:lt:3": {"one"},
    "numChannels:le:3": {"one", "two", "shared"},
    "numChannels:gt:3": {"o'brien"},
    "numChannels:ge:3.0": {"two", "shared", "o'brien"},
    "numChannels:between:2..3.5": {"two", "shared"},
    "note:eq:100%": {"two"},
    "note:ne:100%": {"one"},
    "note:like:cells%": {"one"},
    "note:like:%25%": set(),
    "taken:between:2026-11-01..2026-11-03": {"one"},
    "taken:lt:2026-11-03T10:30:00": set(),
    "taken:gt:2026-11-03T10:29:59": {"one", "two"},
    "dataset.name:eq:o'brien": {"o'brien"},
    "dataset.name:like:%o%": {"one", "two", "o'brien"},
    "dataset.createTime:gt:2020-01-01": {"one", "two", "o'brien", "shared"},
    "numChannels:eq:": {"one", "two", "o'brien", "shared"},
}


def test_each_operator_finds_what_it_says(filled, names):
    """req. 97"""
    assert {row: set(names(p=[row])) for row in OPERATORS} == OPERATORS


def test_conditions_lists_words_and_type_all_hold(filled, names):
    """req. 95, 99"""
    assert names(type="raw", p=["numChannels:ge:3"], text="TWO") == ["two"]
    assert set(names(type="raw", **{"item.Colour": "3"})) == {"two", "shared"}
    assert set(names(**{"item.Named": ["one", "o'brien"]})) == {"one", "o'brien"}
    assert names(**{"item.Named": "nothing"}) == []
    assert names(type="raw", text="b ana") == []
    assert set(names(text="b")) == {"o'brien", "shared"}


def test_a_list_takes_only_its_values(filled, names):
    """B4"""
    with pytest.raises(ValidationFailedError) as caught:
        names(type="raw", **{"item.Colour": "3) OR (1=1"})
    assert list(caught.value.fields) == ["item.Colour"]
    with pytest.raises(BadRequestError, match="choose a dataset type to search by Colour"):
        names(**{"item.Colour": "3"})


def test_what_is_not_known_is_refused_by_name(filled, names):
    with pytest.raises(ValidationFailedError, match="no parameter 'colour'") as caught:
        names(p=["colour:eq:1"])
    assert list(caught.value.fields) == ["p0"]
    with pytest.raises(BadRequestError, match="nothing called 'colour'"):
        names(colour="1")


def test_a_new_parameter_type_can_be_searched_by(portal, filled, names):
    """req. 11, 98"""
    with pytest.raises(BadRequestError):
        names(p=["sharpness:gt:1"])
    kind = portal.root.create(
        "ParameterType",
        name="sharpness",
        units="",
        valueType="NUMERIC",
        applicableToDataset=True,
        facility={"id": 1},
    )
    portal.root.create(
        "DatasetParameter", dataset={"id": filled["two"]}, type={"id": kind}, numericValue=2.5
    )
    portal.app.extensions.pop("ijp.finder")  # instead of waiting until it asks again
    assert names(p=["sharpness:gt:1"]) == ["two"]
    known = portal.user()._json("GET", "/parameters")["parameters"]
    (found,) = [one for one in known if one["name"] == "sharpness"]
    assert found["operators"] == ["eq", "ne", "lt", "le", "gt", "ge", "between"]


def test_only_complete_datasets_are_found(portal, filled, names):
    portal.root.update("Dataset", filled["one"], complete=False)
    assert "one" not in names()
    assert "one" in names(incomplete="true")


def test_pages_follow_each_other_both_ways(portal):
    """Paging by key: no row twice, none left out, also where values are equal."""
    for number in range(11):
        portal.dataset(f"d{number:02}", channels=[3, 1, 2][number % 3], files={})
    for sort in ("created", "-created", "name", "-name", "numChannels", "-numChannels"):
        _page_both_ways(portal.user(), sort)


def _page_both_ways(ana, sort):
    whole = [one["id"] for one in ana.datasets(sort=sort, limit="100")["datasets"]]
    assert len(whole) == 11
    pages, after = [], {}
    while True:
        page = ana.datasets(sort=sort, limit="4", **after)
        pages.append(page)
        assert page["total"] == 11
        if not page.get("next"):
            break
        after = {"after": page["next"]}
    assert [one["id"] for page in pages for one in page["datasets"]] == whole
    assert [len(page["datasets"]) for page in pages] == [4, 4, 3]
    back = ana.datasets(sort=sort, limit="4", before=pages[2]["previous"])
    assert back["datasets"] == pages[1]["datasets"]
    assert back["next"] == pages[1]["next"]
    first = ana.datasets(sort=sort, limit="4", before=back["previous"])
    assert first["datasets"] == pages[0]["datasets"]
    assert first.get("previous") is None


def test_a_dataset_is_shown_with_parameters_and_units(portal, filled):
    """req. 101"""
    found = portal.user().dataset(filled["two"])
    assert found["investigation"]["name"] == "A"
    assert found["type"] == "raw"
    assert [(one["name"], one["value"]) for one in found["parameters"]] == [
        ("note", "100%"),
        ("numChannels", 3.0),
        ("taken", "2026-11-05T10:30:00.000Z"),
    ]


def test_a_foreign_dataset_is_as_if_it_were_not(portal, filled):
    """Another user's dataset id."""
    ana = portal.user()
    messages = set()
    for id in (filled["own"], 999_999):
        for call in (ana.dataset, ana.datafiles, ana.provenance):
            with pytest.raises(NotFoundError) as caught:
                call(id)
            messages.add(caught.value.message.replace(str(id), "N"))
    assert messages == {"there is no dataset N that you may see"}


def test_search_lists_are_told(portal):
    found = portal.user()._json("GET", "/search-items")["searchItems"]
    assert [(one["name"], one["multipleSelect"]) for one in found] == [
        ("Colour", False),
        ("Named", True),
    ]
    assert found[0]["options"][2] == {"display": "colour", "value": "3"}


def test_data_can_be_downloaded_without_a_session(portal, filled):
    """req. 112, 109"""
    made = portal.user().download([filled["one"]])
    assert made["state"] == "READY"
    answer = requests.get(made["url"], timeout=10)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"hello"]
    with pytest.raises((NotFoundError, NotAuthorizedError)):
        portal.user().download([filled["own"]])
