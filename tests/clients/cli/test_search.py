"""Finding and looking, by the command (req. 26, 97, 99, 101)."""

from __future__ import annotations

import json

import pytest

from ijp.query import query

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def three(portal):
    """Three datasets with 1, 2 and 3 channels, and their ids by that number."""
    return {n: portal.dataset(f"finding {n}", channels=n) for n in (1, 2, 3)}


def ids(command, *words):
    found = command.says("search", "finding", "--ids", *words).strip()
    return {int(one) for one in found.split(",") if one}


@pytest.mark.parametrize(
    ("condition", "channels"),
    [
        ("numChannels = 2", {2}),
        ("numChannels=2", {2}),
        ("numChannels != 2", {1, 3}),
        ("numChannels < 2", {1}),
        ("numChannels <= 2", {1, 2}),
        ("numChannels > 2", {3}),
        ("numChannels >= 2", {2, 3}),
        ("numChannels BETWEEN 2 and 3", {2, 3}),
        ("numChannels between 1 AND 2", {1, 2}),
        ("dataset.name LIKE finding _", {1, 2, 3}),
        ("dataset.name like %2", {2}),
        ("dataset.name = 'finding 3'", {3}),
        ('dataset.name != "finding 3"', {1, 2}),
        ("dataset.createTime > 2020-01-01", {1, 2, 3}),
        ("dataset.createTime < 2020-01-01", set()),
        ("dataset.createTime BETWEEN 2020-01-01 and 2999-12-31", {1, 2, 3}),
    ],
)
def test_each_operator_on_each_kind_of_value(ana, three, condition, channels):
    """req. 97"""
    assert ids(ana, "--where", condition) == {three[n] for n in channels}


def test_conditions_add_up(ana, three):
    found = ids(ana, "--where", "numChannels > 1", "--where", "numChannels < 3", "--type", "raw")
    assert found == {three[2]}
    assert ids(ana, "--type", "other") == set()


def test_sort_and_limit(ana, three):
    words = ["search", "finding", "--ids", "--sort", "-numChannels", "--limit", "2"]
    assert ana.says(*words) == f"{three[3]},{three[2]}\n"


def test_pages_are_put_together(ana, three, monkeypatch):
    monkeypatch.setattr("ijp.cli.search._PAGE", 1)
    assert ids(ana) == set(three.values())


def test_into_a_pipe_go_lines_with_tabs(ana, three):
    first = ana.says("search", "finding", "--sort", "numChannels").splitlines()[0]
    assert first.split("\t") == [str(three[1]), "finding 1", "raw", "A", "numChannels=1"]


def test_columns_are_the_parameters_that_were_asked_for(ana, three):
    words = ["search", "finding", "--sort", "name", "-p", "numChannels", "-p", "total"]
    assert ana.says(*words).splitlines() == [
        f"{three[n]}\tfinding {n}\traw\tA\t{n}\t" for n in (1, 2, 3)
    ]


def test_json_has_everything(ana, three):
    found = json.loads(ana.says("--json", "search", "finding 2"))
    assert [one["id"] for one in found] == [three[2]]
    assert found[0]["parameters"] == [{"name": "numChannels", "units": "", "value": 2.0}]
    assert json.loads(ana.says("--json", "search", "finding", "--ids", "--type", "other")) == []


@pytest.fixture(scope="module")
def filed(portal):
    """A dataset with two files; its id and theirs by name."""
    made = portal.dataset("filed", files={"long.txt": b"x" * 3000, "short.txt": b"x"})
    text = query("SELECT f.name, f.id FROM Datafile f WHERE f.dataset.id = {}", made)
    return made, dict(portal.root.search(text))


def test_files_are_found_as_datasets_are(ana, filed):
    made, files = filed
    words = ["search", "--files", "-d", str(made)]
    long, short = files["long.txt"], files["short.txt"]
    assert ana.says(*words, "--sort", "-datafile.fileSize").splitlines() == [
        f"{long}\tlong.txt\t3000\ttext\tfiled\t",
        f"{short}\tshort.txt\t1\ttext\tfiled\t",
    ]
    assert ana.says(*words, "--ids", "--where", "datafile.fileSize < 10") == f"{short}\n"
    assert ana.says("search", "--files", "filed long", "--ids") == f"{long}\n"
    assert "datafile.datafileFormat.name" in ana.says("search", "--files", "--fields")
    found = json.loads(ana.says("--json", *words, "--where", "datafile.name = long.txt"))
    assert [(one["id"], one["dataset"]["id"]) for one in found] == [(long, made)]


def test_a_dataset_narrows_only_files(ana):
    assert "--files" in ana.run("search", "-d", "1", code=2).stderr


def test_no_file_found_is_said_to_people_only(ana):
    done = ana.run("search", "--files", "--type", "nosuch")
    assert (done.stdout, done.stderr) == ("", "no datafile matches that you may read\n")


def test_nothing_found_is_said_to_people_only(ana):
    done = ana.run("search", "--type", "nosuch")
    assert (done.stdout, done.stderr) == ("", "no dataset matches that you may read\n")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("colour = 1", "no parameter 'colour' can be searched for here"),
        ("numChannels = many", "numChannels: 'many' is not a number"),
        ("numChannels LIKE 1", "numChannels cannot be compared by LIKE (but by: =, !=, <,"),
        ("dataset.createTime > yesterday", "'yesterday' is not a date"),
        ("length = 1", "several parameters 'length': write 'length [mm]' or 'length [km]'"),
    ],
)
def test_fault_in_a_condition_is_told(ana, condition, message):
    assert message in ana.refuses("search", "--where", condition, code=7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--where", "rubbish"], "not NAME OPERATOR VALUE: 'rubbish'"),
        (["--where", "numChannels BETWEEN 3"], "BETWEEN takes LOW and HIGH, not '3'"),
        (["--item", "Colour"], "--item is NAME=VALUE, not 'Colour'"),
        (["--limit", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_told(ana, words, message):
    assert message in ana.refuses("search", *words, code=2)


def test_two_faults_are_told_together(ana):
    told = ana.refuses("search", "--where", "a = 1", "--where", "numChannels = x", code=7)
    assert told.splitlines() == [
        "ijp: no parameter 'a' can be searched for here",
        "ijp: numChannels: 'x' is not a number",
    ]


def test_fields_are_listed_with_their_operators(ana):
    """req. 96, 98"""
    rows = [line.split("\t") for line in ana.says("search", "--fields").splitlines()]
    by_name = {row[0]: row for row in rows}
    assert by_name["numChannels"][1:4] == ["", "numeric", "= != < <= > >= BETWEEN"]
    assert by_name["dataset.name"][2:4] == ["string", "= != LIKE"]
    assert by_name["taken"][2:4] == ["date", "BETWEEN < >"]
    assert {"length [mm]", "length [km]"} <= by_name.keys()


def test_search_items_of_the_facility(ana, portal, three):
    """req. 95"""
    path = portal.services.settings.facility_folder / "dataset_search_items.xml"
    path.write_text(
        "<searchItems><searchItem><paramName>Colour</paramName><query>SELECT ds.id FROM Dataset ds"
        " JOIN ds.parameters p WHERE p.type.name = 'numChannels' AND p.numericValue IN"
        " (${numericValues})</query><listOptions><displayValue>grey</displayValue>"
        "<submitValue>1</submitValue></listOptions></searchItem></searchItems>"
    )
    try:
        assert ids(ana, "--item", "Colour=1") == {three[1]}
    finally:
        path.unlink()


def test_query_in_the_catalogs_own_language(ana, three):
    text = query("SELECT d.id, d.name FROM Dataset d WHERE d.id = {}", three[1])
    assert ana.says("search", "--query", text) == f"{three[1]}  finding 1\n"
    assert json.loads(ana.says("--json", "search", "--query", text)) == [[three[1], "finding 1"]]
    assert ana.says("search", "--query", f"COUNT(Dataset) [id={three[1]}]") == "1\n"
    done = ana.run("search", "--query", "SELECT d FROM Dataset d WHERE d.id = 999999")
    assert (done.stdout, done.stderr) == ("", "nothing matches that you may read\n")


def test_fault_in_a_query_has_its_place(ana):
    told = ana.refuses("search", "--query", "SELECT d.colour FROM Dataset d", code=7)
    assert told == "ijp: Dataset has no field colour (at character 9)\n"


def test_show_a_dataset(ana, portal, three):
    """req. 101"""
    lines = ana.says("show", three[2]).splitlines()
    assert lines[0] == f"dataset {three[2]}  finding 2  (raw)"
    assert lines[1] == "  in A: Ana's"
    assert lines[2].split() == ["numChannels", "2"]
    assert lines[3].endswith("a.txt  5 bytes")
    assert json.loads(ana.says("--json", "show", three[2]))["datafiles"][0]["name"] == "a.txt"


def test_show_any_entity(ana, portal):
    number = portal.investigation("A")
    told = ana.says("show", "Investigation", number)
    assert "Ana's" in told
    assert "TEST (" in told
    assert json.loads(ana.says("--json", "show", "Investigation", number))["title"] == "Ana's"


def test_what_one_may_not_see_is_as_if_it_were_not_there(ana, portal, fresh):
    """security: another user's dataset id"""
    secret = portal.dataset(fresh("secret"), investigation="C")
    assert ana.refuses("show", secret, code=5) == (
        f"ijp: there is no dataset {secret} that you may see\n"
    )
    assert ana.refuses("show", "999999", code=5).startswith("ijp: there is no dataset 999999")
    for words in (["provenance", secret], ["jobtype", "-d", secret], ["download", secret]):
        ana.refuses(*words, code=5)
    ana.refuses("show", "Dataset", secret, code=4)
    ana.refuses("show", "Dataset", "999999", code=5)


@pytest.mark.parametrize("words", [["x"], ["1", "2", "3"], ["Dataset"], ["-1"], ["²"]])
def test_show_wants_an_id(ana, words):
    ana.refuses("show", *words, code=2)


def test_hostile_name_is_shown_and_not_obeyed(ana, portal, fresh):
    """Escapes, line ends and the like in a dataset's name."""
    name = fresh("evil") + " \x1b[31m\n99\tfake\traw\r\u202e\x9b5n"
    made = portal.dataset(name)
    shown = "\\x1b[31m\\x0a99\\x09fake\\x09raw\\x0d\\u202e\\x9b5n"
    (line,) = ana.says("search", "evil").splitlines()
    assert shown in line
    assert line.count("\t") == 4
    assert ana.says("show", made).splitlines()[0].endswith(shown + "  (raw)")
    assert shown in ana.says("provenance", made)
    told = ana.says("--json", "show", made)
    assert not set("\x1b\x9b\u202e") & set(told)
    assert json.loads(told)["name"] == name
