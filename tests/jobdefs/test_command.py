"""Command lines and numbers of jobs, down to what a real program receives."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ijp.errors import TooLargeError, ValidationFailedError
from jobdefs.command import Inputs, Question, arguments, argv, plan
from jobdefs.form import Choices, check
from jobdefs.job_type import JobOption, JobType, Kind, OptionType

PRINT = "import json, sys; print(json.dumps(sys.argv[1:]))"


def received(job_arguments):
    """What a program gets, for real."""
    echo = JobType("echo", "python", Kind.BATCH, (sys.executable, "-ISX", "utf8", "-c", PRINT))
    return json.loads(subprocess.run(argv(echo, job_arguments), stdout=-1, check=True).stdout)


def string_options(number):
    options = [
        JobOption(f"o{n}", OptionType.STRING, program_parameter=(f"-{n}",)) for n in range(number)
    ]
    return JobType("x", "x", Kind.BATCH, options=tuple(options), raw_arguments=True)


_strings = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@settings(max_examples=40)
@given(_strings, _strings)
@example([""], ["", ""])
@example(["a\nb", "\r\n", "'", '"', "\\", "$(id)", "`id`", "*", "-", "--", "é", "\x1b[31m"], ["\n"])
def test_a_program_receives_what_was_sent(values, own):
    """B7, B8, security 3: for all strings without NUL, the empty one and newlines included."""
    job_type = string_options(len(values))
    choices = Choices({f"o{n}": value for n, value in enumerate(values)}, tuple(own))
    sent = [word for n, value in enumerate(values) for word in (f"-{n}", value)] + own
    assert received(arguments(job_type, choices)) == sent


@settings(max_examples=20)
@given(_strings)
@example(["--sessionid", "--", "a\n"])
def test_what_is_checked_is_refused_or_unchanged(values):
    job_type = string_options(len(values))
    given = {f"o{n}": value for n, value in enumerate(values)}
    sent = [word for n, value in enumerate(values) if value for word in (f"-{n}", value)]
    assert received(arguments(job_type, check(job_type, given, []))) == sent


def test_ids_come_first_then_options_in_their_order_then_own_arguments(make_job_type, option):
    """ijp-spec §3, req. 103."""
    job_type = make_job_type(
        option("b", "boolean", "-b")
        + option("two", "boolean", "--whitelights --no-tracks")
        + option("e", "enumeration", "-e", values=["a b"])
        + option("s", "string", "--s")
        + option("i", "integer", "-i")
        + option("f", "float", "-f")
    )
    values = {"f": 5.0, "i": 7, "s": "", "e": "a b", "two": True, "b": True}
    assert arguments(job_type, Choices(values, ("own",)), [1, 2], [3]) == [
        "--datasetIds=1,2",
        "--datafileIds=3",
        "-b",
        "--whitelights",
        "--no-tracks",
        "-e",
        "a b",
        "--s",
        "",
        "-i",
        "7",
        "-f",
        "5",
        "own",
    ]


@pytest.mark.parametrize("kind", ["boolean", "string", "integer", "float"])
def test_an_option_without_program_parameter_contributes_nothing(make_job_type, option, kind):
    """ijp-spec §1.1: a radio button that means "default"."""
    values = {"boolean": True, "string": "a", "integer": 1, "float": 1.5}
    job_type = make_job_type(option("x", kind, ""))
    assert arguments(job_type, Choices({"x": values[kind]})) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (5.0, "5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (1e-7, "1e-07"),
        (2.0**53, "9007199254740992"),
        (2**63 - 1, "9223372036854775807"),
        (1 / 3, "0.3333333333333333"),
    ],
)
def test_numbers_are_written_in_their_shortest_form(make_job_type, option, number, text):
    job_type = make_job_type(option("x", "float", "-x"))
    assert arguments(job_type, Choices({"x": number})) == ["-x", text]
    assert type(number)(text) == number


def test_a_job_without_inputs_has_no_id_arguments(make_job_type):
    assert arguments(make_job_type(), Choices()) == []


def test_more_inputs_than_a_command_line_takes(make_job_type):
    with pytest.raises(TooLargeError, match="20000 inputs are too many for one job"):
        arguments(make_job_type(), Choices(), range(10**6, 10**6 + 20_000))


@pytest.fixture
def takes(make_job_type):
    """A job type with these elements."""

    def takes(multiple="", kind="batch", types="<datasetTypes>image</datasetTypes>"):
        return make_job_type(more=f"<type>{kind}</type>{multiple}{types}")

    return takes


ONE_EACH = [Inputs((1,)), Inputs((2,)), Inputs((), (3,))]
ALL_IN_ONE = [Inputs((1, 2), (3,))]
MULTIPLE = "<multiple>true</multiple>"
FORCED = '<multiple forceSingleJob="true">true</multiple>'


@pytest.mark.parametrize(
    ("multiple", "one_job", "expected"),
    [
        ("", None, Question(3, False, "made takes one input a job: run 3 jobs?")),
        ("", False, ONE_EACH),
        ("", True, None),
        (
            MULTIPLE,
            None,
            Question(3, True, "One job for all 3 inputs, or 3 jobs with one each?"),
        ),
        (MULTIPLE, False, ONE_EACH),
        (MULTIPLE, True, ALL_IN_ONE),
        (FORCED, None, ALL_IN_ONE),
        (FORCED, True, ALL_IN_ONE),
        (FORCED, False, None),
    ],
)
def test_how_many_batch_jobs(takes, multiple, one_job, expected):
    """req. 107, 108; ijp-spec §3."""
    job_type = takes(multiple)
    if expected is None:
        with pytest.raises(ValidationFailedError) as caught:
            plan(job_type, [1, 2], [3], one_job)
        assert list(caught.value.fields) == ["oneJob"]
    else:
        assert plan(job_type, [1, 2], [3], one_job) == expected


@pytest.mark.parametrize("one_job", [None, True, False])
@pytest.mark.parametrize("multiple", ["", MULTIPLE, FORCED])
def test_one_input_is_one_job(takes, multiple, one_job):
    assert plan(takes(multiple), [7], [], one_job) == [Inputs((7,))]
    assert plan(takes(multiple), [], [7, 7], one_job) == [Inputs((), (7,))]


def test_a_desktop_session_is_always_one(takes):
    assert plan(takes(MULTIPLE, "interactive"), [1, 2], [3]) == ALL_IN_ONE
    with pytest.raises(ValidationFailedError, match="one dataset or datafile at a time, not 3"):
        plan(takes("", "interactive"), [1, 2], [3])
    assert plan(takes("", "interactive"), [1], []) == [Inputs((1,))]


def test_a_job_without_data_is_one_job(takes):
    job_type = takes(types="")
    assert plan(job_type, [], []) == [Inputs()]
    with pytest.raises(ValidationFailedError, match="'made' takes no data"):
        plan(job_type, [1], [])


def test_a_job_for_data_needs_some(takes):
    with pytest.raises(ValidationFailedError, match="needs a dataset or datafile"):
        plan(takes(), [], [])


def test_the_program_stands_before_its_arguments(make_job_type):
    job_type = replace(make_job_type(), program=("/opt/x", "-v"))
    assert argv(job_type, ["a", ""]) == ["/opt/x", "-v", "a", ""]
