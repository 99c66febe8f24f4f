"""Which options are offered, which values are taken, which selections fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ijp.errors import ValidationFailedError
from jobdefs.form import Fit, check, offered, runs

IMAGE = {"numChannels": 3.0, "numHdfFiles": 501, "depth": None, "kind": "raw"}


def names(found):
    return [one.option.key for one in found if one.offered]


def faults(job_type, values, quantities=(), **more):
    with pytest.raises(ValidationFailedError) as caught:
        check(job_type, values, quantities, **more)
    return caught.value.fields


@pytest.fixture
def conditional(make_job_type, option):
    return make_job_type(
        option("Always", "boolean", "-a")
        + option(
            "Colour",
            "boolean",
            "-c",
            condition="numChannels == 3 &amp;&amp; numHdfFiles &gt; 500",
        )
        + option("Deep", "boolean", "-d", condition="depth &gt; 3")
        + option("Typo", "boolean", "-t", condition="False &amp;&amp; nosuch == 1")
        + option("Broken", "boolean", "-b", condition="kind ==")
    )


def test_an_option_is_offered_where_its_condition_holds(conditional):
    """req. 104, 119: the paper's example, with a number as the catalog gives it."""
    assert names(offered(conditional, [IMAGE])) == ["Always", "Colour"]
    assert names(offered(conditional, [{**IMAGE, "numHdfFiles": 500}])) == ["Always"]


def test_reasons_are_for_users(conditional):
    reasons = [one.reason for one in offered(conditional, [{**IMAGE, "numChannels": 1.0}])]
    assert reasons == [
        None,
        "numChannels == 3 && numHdfFiles > 500 is needed, but numChannels is 1, numHdfFiles is 501",
        "depth > 3 is needed, but depth is not known",
        "False && nosuch == 1 is needed, but there is no quantity 'nosuch'",
        "its definition is wrong: condition 'kind ==': "
        "the condition ends too early (at character 7)",
    ]


def test_a_condition_must_hold_for_every_dataset(conditional):
    """req. 120."""
    grey = {**IMAGE, "numChannels": 1}
    found = offered(conditional, [IMAGE, grey], ["cell", "coins"])
    assert names(found) == ["Always"]
    assert found[1].reason is not None
    assert "but for coins numChannels is 1" in found[1].reason
    assert names(offered(conditional, [IMAGE, IMAGE])) == ["Always", "Colour"]


def test_without_datasets_conditional_options_are_not_offered(conditional):
    assert names(offered(conditional, [])) == ["Always"]


def test_a_dataset_type_without_quantities_hides_conditional_options(make_job_type, option):
    job_type = make_job_type(option("x", "boolean", "-x", condition="True"))
    assert names(offered(job_type, [{}])) == []
    assert names(offered(job_type, [{"any": 1}])) == ["x"]


def test_the_first_offered_member_of_a_group_is_preselected(make_job_type, option):
    job_type = make_job_type(
        option("a", "boolean", "-a", groupName="g", condition="n == 1")
        + option("b", "boolean", "", groupName="g")
        + option("c", "boolean", "-c", groupName="g")
        + option("d", "boolean", "-d", groupName="h")
        + option("e", "boolean", "-e")
    )
    found = offered(job_type, [{"n": 2}])
    assert [one.option.key for one in found if one.preselected] == ["b", "d"]
    found = offered(job_type, [{"n": 1}])
    assert [one.option.key for one in found if one.preselected] == ["a", "d"]


def test_twenty_conditions_hold_for_a_hundred_datasets(make_job_type, option):
    job_type = make_job_type(
        "".join(
            option(f"o{n}", "boolean", "-o", condition=f"width * height &gt; {n} || n == 'x'")
            for n in range(20)
        )
    )
    quantities = [{"width": 100.0 + n, "height": 7, "n": "y"} for n in range(100)]
    assert len(names(offered(job_type, quantities))) == 20


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("boolean", True, True),
        ("boolean", "on", True),
        ("boolean", "true", True),
        ("boolean", "1", True),
        ("boolean", False, None),
        ("boolean", "false", None),
        ("boolean", "", None),
        ("boolean", None, None),
        ("string", "a b\n", "a b\n"),
        ("string", "", None),
        ("string", None, None),
        ("string", " ", " "),
        ("integer", 5, 5),
        ("integer", " 5 ", 5),
        ("integer", "-5", -5),
        ("integer", "+5", 5),
        ("integer", 5.0, 5),
        ("integer", "", None),
        ("float", 0.5, 0.5),
        ("float", "5", 5.0),
        ("float", "1e-3", 0.001),
        ("float", ".5", 0.5),
        ("float", 7, 7),
        ("float", "", None),
    ],
)
def test_values_are_taken_of_their_type_or_as_text(make_job_type, option, kind, given, value):
    choices = check(make_job_type(option("x", kind, "-x")), {"x": given}, [])
    assert dict(choices.values) == ({} if value is None else {"x": value})


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("boolean", "maybe", "'maybe' is neither true nor false"),
        ("boolean", 7, "7 is neither true nor false"),
        ("string", 5, "5 is not a text"),
        ("string", ["a"], "['a'] is not a text"),
        ("string", "a\0b", "a NUL character cannot be passed to a program"),
        ("string", "\ud800", "half of a character (a lone surrogate) cannot"),
        ("string", "é" * 70_000, "140000 bytes are more than a program can be given"),
        ("string", "--sessionId=1", "'--sessionId=1' is reserved for the portal"),
        ("integer", "five", "'five' is not a whole number"),
        ("integer", "5.0", "'5.0' is not a whole number"),
        ("integer", 5.5, "5.5 is not a whole number"),
        ("integer", True, "True is not a whole number"),
        ("integer", "\u0665", "'\u0665' is not a whole number"),
        ("integer", "9223372036854775808", "9223372036854775808 is too large"),
        ("integer", 10**100, "1000000"),
        ("integer", "9" * 5000, "'99999"),
        ("float", "x", "'x' is not a number"),
        ("float", "1_0", "'1_0' is not a number"),
        ("float", float("nan"), "nan is not a number"),
        ("float", "inf", "'inf' is not a number"),
        ("float", "1e999", "inf is not a number"),
        ("float", 10**400, "1000000"),
        ("float", False, "False is not a number"),
        ("float", {"a": 1}, "{'a': 1} is not a number"),
    ],
)
def test_values_of_the_wrong_type_are_refused(make_job_type, option, kind, given, message):
    [text] = faults(make_job_type(option("x", kind, "-x")), {"x": given})["x"]
    assert text.startswith(message)
    assert len(text) < 200


def test_members_of_an_enumeration(make_job_type, option):
    job_type = make_job_type(option("x", "enumeration", "-x", values=["", "a b", "64"]))
    assert dict(check(job_type, {"x": "a b"}, []).values) == {"x": "a b"}
    assert dict(check(job_type, {"x": 64}, []).values) == {"x": "64"}
    assert dict(check(job_type, {"x": ""}, []).values) == {}
    assert faults(job_type, {"x": "b"}) == {"x": ["'b' is not one of a b, 64"]}
    assert faults(job_type, {"x": ["a b"]}) == {"x": ["['a b'] is not one of a b, 64"]}


@pytest.mark.parametrize("kind", ["integer", "float"])
def test_bounds_are_inclusive(make_job_type, option, kind):
    job_type = make_job_type(option("x", kind, "-x", minValue="-1", maxValue="10.0"))
    for value in (-1, 0, 10):
        assert dict(check(job_type, {"x": value}, []).values) == {"x": value}
    assert faults(job_type, {"x": -2}) == {"x": ["-2 is below the smallest value, -1"]}
    assert faults(job_type, {"x": "11"}) == {"x": ["11 is above the largest value, 10"]}


def test_what_equals_the_default_is_not_sent_unless_so_defined(make_job_type, option):
    """B3."""
    job_type = make_job_type(
        option("n", "float", "-n", defaultValue="1.0")
        + option("e", "enumeration", "-e", values=["a", "b"], defaultValue="a")
        + option("s", "string", "-s", defaultValue="text")
    )
    assert dict(check(job_type, {"n": 1, "e": "a", "s": "text"}, []).values) == {}
    changed = {"n": 2, "e": "b", "s": "text "}
    assert dict(check(job_type, changed, []).values) == changed
    sending = replace(
        job_type, options=tuple(replace(one, send_default=True) for one in job_type.options)
    )
    assert dict(check(sending, {"n": 1, "e": "a"}, []).values) == {"n": 1, "e": "a"}
    assert dict(check(sending, {}, []).values) == {}


def test_at_most_one_of_a_group(make_job_type, option):
    """ijp-spec §1.1, groupName."""
    job_type = make_job_type(
        option("a", "boolean", "-a", groupName="g")
        + option("b", "boolean", "-b", groupName="g")
        + option("c", "boolean", "-c", groupName="h")
    )
    assert dict(check(job_type, {"a": "on", "b": False, "c": True}, []).values) == {
        "a": True,
        "c": True,
    }
    assert faults(job_type, {"a": True, "b": True}) == {
        "b": ["of 'g' only one may be chosen, and 'a' is"]
    }


def test_a_hidden_option_that_is_sent_anyway_is_refused(conditional):
    """B6, security 4."""
    grey = {**IMAGE, "numChannels": 1}
    [text] = faults(conditional, {"Colour": True}, [grey])["Colour"]
    assert text.startswith("this option is not offered: numChannels == 3")
    [text] = faults(conditional, {"Broken": True}, [IMAGE])["Broken"]
    assert text.startswith("this option is not offered: its definition is wrong")
    assert dict(check(conditional, {"Colour": "", "Deep": False}, [grey]).values) == {}


def test_all_faults_come_together(make_job_type, option):
    """ijp-spec §3: all messages are listed together. B6."""
    job_type = make_job_type(
        option("n", "integer", "-n", maxValue="3") + option("f", "float", "-f")
    )
    with pytest.raises(ValidationFailedError) as caught:
        check(job_type, {"n": 4, "f": "x", "nosuch": ""}, [], arguments=["--x"])
    assert caught.value.fields == {
        "n": ["4 is above the largest value, 3"],
        "f": ["'x' is not a number"],
        "nosuch": ["'made' has no option 'nosuch'"],
        "arguments": ["'made' takes no arguments of your own, only its options"],
    }
    assert "n: 4 is above the largest value, 3; f: 'x' is not a number" in caught.value.message


@pytest.mark.parametrize(
    "argument",
    [
        "--sessionId=x",
        "--sessionId",
        "--icatUrl=x",
        "--idsUrl=",
        "--ijpJobId=1",
        "--ijpUrl=x",
        "--datasetIds=1,2",
        "--datafileIds",
        "--datasetI=1",
        "--sessionI=x",
    ],
)
def test_arguments_of_the_portal_are_refused_from_callers(make_job_type, argument):
    """B6, security 4; the last two are short for reserved ones to many programs."""
    job_type = make_job_type(attributes='acceptsDatasets="true" rawArguments="true"')
    assert faults(job_type, {}, arguments=[argument]) == {
        "arguments": [f"{argument!r} is reserved for the portal"]
    }


def test_raw_arguments_are_taken_verbatim_where_the_type_says_so(make_job_type):
    job_type = make_job_type(attributes='acceptsDatasets="true" rawArguments="true"')
    given = ["/drop/folder", "", "a\nb", "--session", "--datasetIdsFile=x", "-x=--sessionId=1"]
    assert check(job_type, {}, [], arguments=given).arguments == tuple(given)
    assert faults(job_type, {}, arguments=["a\0"])["arguments"] == [
        "a NUL character cannot be passed to a program"
    ]


@pytest.mark.parametrize(
    ("attributes", "more", "datasets", "datafiles", "reason"),
    [
        ('acceptsDatasets="1"', "", ["image"], [], ""),
        ('acceptsDatasets="1"', "", ["image", "stack"], [], ""),
        ('acceptsDatafiles="1"', "", [], ["image"], ""),
        ('acceptsDatasets="1" acceptsDatafiles="1"', "", ["stack"], ["image"], ""),
        ('acceptsDatasets="1"', "", [], [], "it needs datasets of type image or stack"),
        (
            'acceptsDatafiles="1"',
            "",
            ["image"],
            [],
            "it takes datafiles of type image or stack, not whole datasets",
        ),
        (
            'acceptsDatasets="1"',
            "",
            [],
            ["image"],
            "it takes datasets of type image or stack, not single datafiles",
        ),
        (
            'acceptsDatasets="1"',
            "",
            ["image", "spectrum", "film"],
            [],
            "it takes datasets of type image or stack, not film or spectrum",
        ),
        (
            'acceptsDatafiles="1" acceptsDatasets="1"',
            "",
            [],
            ["film"],
            "it takes datasets or datafiles of type image or stack, not film",
        ),
    ],
)
def test_which_selections_fit(make_job_type, attributes, more, datasets, datafiles, reason):
    """req. 48, 102, 114."""
    both = "<type>batch</type><datasetTypes>image</datasetTypes><datasetTypes>stack</datasetTypes>"
    job_type = make_job_type("", attributes, both + more)
    assert runs(job_type, datasets, datafiles) == Fit(not reason, reason)


def test_a_job_without_data_takes_no_selection(make_job_type):
    job_type = make_job_type(attributes="", more="<type>batch</type>")
    assert runs(job_type, []) == Fit(True)
    assert runs(job_type, ["image"]).reason == "it takes no data: start it without a selection"


def test_a_desktop_session_for_one_dataset_takes_one(make_job_type):
    """req. 114; ijp-spec §3."""
    image = "<type>interactive</type><datasetTypes>image</datasetTypes>"
    one = make_job_type(more=image)
    assert runs(one, ["image"]).fits
    assert runs(one, ["image"], ["image"]).reason == (
        "it opens one dataset or datafile at a time, and 2 are selected"
    )
    assert runs(make_job_type(more=image + "<multiple>true</multiple>"), ["image"] * 3).fits
