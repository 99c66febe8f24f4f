"""The linter: what is wrong, where, and what to write instead."""

from __future__ import annotations

import pytest

from jobdefs.lint import lint
from jobdefs.shipped import examples_folder

IMAGE = "<datasetTypes>image</datasetTypes>"
QUANTITIES = (
    "<jobDatasetType>{types}<jobDatasetParameter><name>{name}</name>"
    "<query>${{datasetId}}</query></jobDatasetParameter></jobDatasetType>"
)


@pytest.fixture
def lint_of(write, tmp_path):
    """The problems of a folder with one job type, as (severity, line, message, advice)."""

    def lint_of(
        options="", more="<datasetTypes>image</datasetTypes>", program="/bin/true", **named
    ):
        types = IMAGE
        write("job_dataset_parameters/q.xml", QUANTITIES.format(types=types, name="numChannels"))
        write(
            "job_types/x.xml",
            '<jobType acceptsDatasets="true"><name>x</name>'
            f"<executable>{program}</executable><type>batch</type>{more}\n{options}</jobType>",
        )
        return [
            (one.severity.value, one.line, one.message, one.advice)
            for one in lint(tmp_path, **named)
        ]

    return lint_of


@pytest.mark.parametrize("name", ["imaging", "neutron"])
def test_the_examples_have_no_problem(name):
    assert lint(examples_folder() / name) == []


def test_a_good_job_type_has_no_problem(lint_of, option):
    good = option("Depth", "integer", "--depth", minValue="1", maxValue="9", defaultValue="3")
    assert lint_of(good + option("c", "boolean", "-c", condition="numChannels == 3")) == []


@pytest.mark.parametrize(
    ("name", "kind", "parameter", "elements", "message", "advice"),
    [
        # B18
        ("d", "boolean", "--option==darks", {}, "'--option==darks' has ==", "--option=darks"),
        ("d", "string", "beads beads-fullframe", {}, "becomes 2 arguments", "put quotes"),
        ("d", "string", "--depth=", {}, "ends with =", "write --depth"),
        ("d", "boolean", "--sessionId", {}, "is given by the portal alone", "choose another"),
        ("d", "string", "", {}, "never reaches the program", "such as --depth"),
        ("d", "string", "-d", {"values": "a"}, "<values> mean nothing for type string", "write"),
        ("d", "string", "-d", {"minValue": "1"}, "bounds mean nothing for type", "write integer"),
        ("d", "integer", "-d", {"groupName": "g"}, "<groupName> means nothing", "only booleans"),
        ("d", "boolean", "-d", {"groupName": "g"}, "it is alone in group 'g'", "take <groupName>"),
        ("d", "boolean", "-d", {"defaultValue": "true"}, "a boolean has no <defaultValue>", "it"),
        ("d", "enumeration", "-d", {}, "without <values> has nothing to choose", "add <values>"),
        (
            "d",
            "enumeration",
            "-d",
            {"values": ["a", "a"]},
            "value 'a' is there 2 times",
            "take the others out",
        ),
        ("d", "enumeration", "-d", {"values": [" a"]}, "value ' a' has blanks", "take them out"),
        (
            "d",
            "enumeration",
            "-d",
            {"values": ["a"], "defaultValue": "b"},
            "defaultValue: 'b' is not one of a",
            "write a value",
        ),
        (
            "d",
            "integer",
            "-d",
            {"minValue": "1", "maxValue": "9", "defaultValue": "10"},
            "defaultValue: 10 is above the largest value, 9",
            "write a value",
        ),
        ("d", "integer", "-d", {"defaultValue": "x"}, "defaultValue: 'x' is not a whole", "write"),
        (
            "d",
            "float",
            "-d",
            {"minValue": "9", "maxValue": "1"},
            "minValue 9 is above maxValue 1",
            "exchange them",
        ),
    ],
)
def test_odd_options(lint_of, option, name, kind, parameter, elements, message, advice):
    """B18; each is a warning at the option's line."""
    [(severity, line, text, found)] = lint_of(option(name, kind, parameter, **elements))
    assert (severity, line) == ("warning", 2)
    assert text.startswith(f"option {name!r}: ")
    assert message in text
    assert advice in found


def test_duplicate_names_of_options(lint_of, option):
    [(severity, line, text, advice)] = lint_of(option("d", "boolean", "-d") * 2)
    assert (severity, line, text) == ("warning", 2, "option 'd' is there twice")
    assert advice == "give it another name"


@pytest.mark.parametrize(
    ("option_text", "message"),
    [
        ("<name>d</name><type>bolean</type>", "option type 'bolean' is unknown"),
        ("<name>d</name><type>integer</type><minValue>x</minValue>", "<minValue> 'x' is not a"),
        ("<name>d</name><type>boolean</type><condition>a =</condition>", "condition 'a ='"),
    ],
)
def test_what_cannot_be_read_is_an_error(lint_of, option_text, message):
    found = lint_of(f"<jobOptions>{option_text}</jobOptions>")
    assert [one[1] for one in found if one[0] == "error" and one[2].startswith(message)] == [2]


def test_names_in_conditions_must_be_quantities(lint_of, option):
    assert lint_of(option("d", "boolean", "-d", condition="numChanels == 3")) == [
        (
            "error",
            2,
            "option 'd': 'numChanels' is no quantity of 'image', so it is never offered",
            "did you mean 'numChannels'?",
        )
    ]


def test_a_quantity_that_only_some_dataset_types_have(lint_of, option):
    both = "<datasetTypes>image</datasetTypes><datasetTypes>film</datasetTypes>"
    assert lint_of(option("d", "boolean", "-d", condition="numChannels == 3"), both) == [
        (
            "warning",
            2,
            "option 'd': 'numChannels' is not known of 'film': never offered for those",
            "define it for 'film' in job_dataset_parameters",
        )
    ]


def test_a_condition_where_no_data_are_taken(lint_of, option):
    found = lint_of(option("d", "boolean", "-d", condition="True"), more="")
    assert "option 'd': a condition never holds in a job type that takes no data" in [
        text for _, _, text, _ in found
    ]


def test_programs_are_looked_for(lint_of, tmp_path):
    script = tmp_path / "bin" / "mine"
    script.parent.mkdir()
    for program, message in (
        ("bin/mine", f"there is no program {script}"),
        ("no-such-program-here", "program 'no-such-program-here' is not found"),
        ("/no/such", "there is no program /no/such"),
    ):
        [(severity, _, text, _)] = lint_of(program=program)
        assert (severity, text) == ("error", message)
        assert lint_of(program=program, programs_here=False) == []
    script.write_text("#!/bin/sh\n")
    [(severity, _, text, advice)] = lint_of(program="bin/mine")
    assert (severity, text) == ("error", f"program {script} cannot be executed")
    assert advice == f"chmod +x {script}"
    script.chmod(0o755)
    assert lint_of(program="bin/mine") == []
    assert lint_of(program="mine") == []
    assert lint_of(program="true") == []


def test_characters_of_a_shell_in_an_executable(lint_of):
    """B7."""
    [(severity, _, text, advice)] = lint_of(program="/bin/true &gt; /dev/null")
    assert severity == "warning"
    assert text.endswith("has characters that only a shell knows")
    assert advice == "no shell runs it: put such lines into a script"


def test_another_root_element_is_a_notice(lint_of, write, tmp_path):
    write("families.xml", "<family/>")
    assert lint_of() == [
        ("notice", 1, "the root element is <family>; it was read all the same", "write <families>")
    ]


def test_labels_that_were_copied(lint_of, write):
    """B18: "Any instrument" on the list of something else."""
    item = (
        "<searchItem><paramName>{}</paramName><query>${{stringValues}}</query>"
        "<listOptions><displayValue>Any instrument</displayValue><submitValue/></listOptions>"
        "<listOptions><displayValue>b</displayValue><submitValue>b</submitValue></listOptions>"
        "</searchItem>\n"
    )
    write(
        "dataset_search_items.xml",
        f"<searchItems>{item.format('Instrument')}{item.format('Sample')}</searchItems>",
    )
    assert lint_of() == [
        (
            "warning",
            2,
            "label 'Any instrument' of 'Sample' is also at 'Instrument'",
            "was it copied?",
        )
    ]


def test_what_only_the_schema_knows_is_reported_too(lint_of, write):
    write("families.xml", "<families>text</families>")
    [(severity, line, text, advice)] = lint_of()
    assert (severity, line, advice) == ("warning", 1, "see docs/job-types.md")
    assert text


def test_names_that_cannot_stand_in_an_address(lint_of, write, tmp_path):
    write(
        "job_types/y.xml",
        "<jobType><name>a/b</name><executable>/bin/true</executable><type>batch</type></jobType>",
    )
    assert [one[2] for one in lint_of()] == [
        "the name 'a/b' is part of addresses, where / does not work"
    ]


def test_old_and_misnamed_files(lint_of, write):
    write("search_items.xml", "<searchItems/>")
    write("job_types/OLD.XML", "<")
    found = {(severity, text) for severity, _, text, _ in lint_of()}
    assert found == {
        ("notice", "search_items.xml is used as of 2013"),
        ("warning", "is not read, as its name ends with .XML"),
    }


def test_a_folder_without_job_types(tmp_path):
    [problem] = lint(tmp_path)
    assert problem.message == "there are no job types"
    [problem] = lint(tmp_path / "none")
    assert (problem.severity.value, problem.message) == ("error", "there is no such folder")


def test_problems_come_in_the_order_of_files_and_lines(lint_of, option, write):
    write("families.xml", '<families colour="red"/>')
    found = lint_of(option("a", "string") + "\n" + option("b", "string", "-b", minValue="1"))
    assert [one[1] for one in found] == [1, 2, 3]
