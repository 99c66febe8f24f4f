"""Searches for datafiles against a real catalog, as users with different rights."""

from __future__ import annotations

import pytest

from ijp.errors import BadRequestError, ValidationFailedError

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


@pytest.fixture
def search(portal):
    """A page of a search for datafiles."""

    def search(user: str = "ana", **search):
        return portal.user(user)._json("GET", "/datafiles", params=search)

    return search


@pytest.fixture
def names(search):
    """What a search finds, as dataset/file."""

    def names(user: str = "ana", **asked) -> set[str]:
        found = search(user, **asked)["datafiles"]
        return {f"{one['dataset']['name']}/{one['name']}" for one in found}

    return names


@pytest.fixture
def filled(portal):
    """Files of five sizes in datasets of A, of B (ana reads it) and of C (ben's own)."""
    made = {
        "one": portal.dataset("one", files={"a.txt": b"1", "b.txt": b"22"}),
        "two": portal.dataset("two", type="other", files={"a.txt": b"333"}),
        "shared": portal.dataset("shared", investigation="B", files={"o'b.txt": b"4444"}),
        "own": portal.dataset("own", investigation="C", files={"a.txt": b"55555"}),
    }
    kind = {"applicableToDatafile": True, "facility": {"id": 1}}
    exposure = portal.root.create(
        "ParameterType", name="exposure", units="s", valueType="NUMERIC", **kind
    )
    filter = portal.root.create(
        "ParameterType", name="filter", units="", valueType="STRING", **kind
    )
    files = portal.root.search("SELECT f.id FROM Datafile f ORDER BY f.id")
    for number, id in enumerate(files):
        file = {"datafile": {"id": id}}
        value = 0.5 * number
        portal.root.create(
            "DatafileParameter", type={"id": exposure}, numericValue=value, error=0.1, **file
        )
        if number < 2:
            portal.root.create("DatafileParameter", type={"id": filter}, stringValue="red", **file)
    return made


ALL = {"one/a.txt", "one/b.txt", "two/a.txt", "shared/o'b.txt"}
CONDITIONS = {
    "exposure:eq:0.5": {"one/b.txt"},
    "exposure:between:0.5..1": {"one/b.txt", "two/a.txt"},
    "exposure:ge:1.5": {"shared/o'b.txt"},
    "filter:like:RE%": {"one/a.txt", "one/b.txt"},
    "datafile.name:eq:o'b.txt": {"shared/o'b.txt"},
    "datafile.fileSize:le:2": {"one/a.txt", "one/b.txt"},
    "datafile.dataset.name:eq:two": {"two/a.txt"},
    "datafile.datafileFormat.name:eq:text": ALL,
    "datafile.datafileFormat.name:ne:text": set(),
    "datafile.datafileModTime:gt:2020-01-01": set(),
    "datafile.createTime:gt:2020-01-01": ALL,
}


def test_users_find_the_files_that_their_rules_allow(filled, names):
    """req. 2"""
    assert names("ana") == ALL
    assert names("ben") == {"shared/o'b.txt", "own/a.txt"}


def test_each_condition_on_files_finds_what_it_says(filled, names):
    """req. 97"""
    assert {row: names(p=[row]) for row in CONDITIONS} == CONDITIONS


def test_dataset_investigation_type_and_words_narrow_down(portal, filled, names):
    """req. 99"""
    assert names(dataset=filled["one"]) == {"one/a.txt", "one/b.txt"}
    assert names(dataset=filled["own"]) == set()
    assert names(investigation=portal.investigation("B")) == {"shared/o'b.txt"}
    assert names(type="other") == {"two/a.txt"}
    assert names(text="A.TXT two") == {"two/a.txt"}
    assert names(text="o'b") == {"shared/o'b.txt"}


def test_files_of_datasets_still_being_written_are_asked_for(portal, filled, names):
    portal.root.update("Dataset", filled["one"], complete=False)
    assert names() == {"two/a.txt", "shared/o'b.txt"}
    assert names(incomplete="true") == ALL


def test_lists_of_the_facility_narrow_down(filled, names):
    """req. 95"""
    assert names(**{"item.Ending": ["a.txt", "b.txt"]}) == ALL - {"shared/o'b.txt"}
    assert names(type="raw", **{"item.Ending": "a.txt"}) == {"one/a.txt"}
    assert names(dataset=filled["one"], **{"item.Named": "a.txt"}) == {"one/a.txt"}


def test_a_list_that_needs_a_dataset_says_so(filled, names):
    with pytest.raises(
        ValidationFailedError, match="choose a dataset to search by Named"
    ) as caught:
        names(**{"item.Named": "a.txt"})
    assert list(caught.value.fields) == ["item.Named"]
    with pytest.raises(ValidationFailedError, match="not in its list"):
        names(**{"item.Ending": "') OR ('1' = '1"})


def test_what_only_datasets_have_is_refused_by_name(filled, names):
    with pytest.raises(ValidationFailedError, match="no parameter 'numChannels'"):
        names(p=["numChannels:eq:1"])
    with pytest.raises(BadRequestError, match="no search list 'Colour'"):
        names(**{"item.Colour": "3"})
    with pytest.raises(BadRequestError, match="datafiles cannot be sorted by Format"):
        names(sort="datafile.datafileFormat.name")


def test_a_file_is_given_with_parameters_and_where_it_belongs(filled, search):
    (found,) = search(text="one b.txt")["datafiles"]
    assert found["dataset"] == {"id": filled["one"], "name": "one", "type": "raw"}
    assert (found["size"], found["format"], found["investigation"]["name"]) == (2, "text", "A")
    shown = [(one["name"], one["value"], one["units"]) for one in found["parameters"]]
    assert shown == [("exposure", 0.5, "s"), ("filter", "red", "")]


def test_pages_of_files_follow_each_other_both_ways(portal, search):
    contents = {f"f{number:02}.txt": b"x" * (number % 3) for number in range(11)}
    portal.dataset("many", files=contents)
    for sort in ("created", "-name", "datafile.fileSize", "-datafile.fileSize"):
        whole = [one["id"] for one in search(sort=sort)["datafiles"]]
        first = search(sort=sort, limit="4")
        second = search(sort=sort, limit="4", after=first["next"])
        third = search(sort=sort, limit="4", after=second["next"])
        pages = [first, second, third]
        assert [one["id"] for page in pages for one in page["datafiles"]] == whole
        assert [page["total"] for page in pages] == [11, 11, 11]
        assert search(sort=sort, limit="4", before=third["previous"]) == second


def test_what_files_can_be_searched_by_is_told(portal, filled):
    call = portal.user()._json
    known = call("GET", "/parameters", params={"entity": "Datafile"})["parameters"]
    by_key = {one["key"]: one for one in known}
    assert by_key["datafile.datafileFormat.name"]["values"] == ["text"]
    assert by_key["exposure"]["units"] == "s"
    lists = call("GET", "/search-items", params={"entity": "Datafile"})["searchItems"]
    assert [one["name"] for one in lists] == ["Ending", "Named"]
