"""Job types and jobs by the command (req. 26, 39-41, 43-45, 82, 83, 105-108)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

IJP = Path(sys.executable).with_name("ijp")


def number_of(told: str) -> int:
    return int(told.split()[0])


@pytest.fixture
def two(portal, fresh):
    """Ids of two datasets, the first with 1 and the second with 3 channels."""
    return portal.dataset(fresh("grey"), channels=1), portal.dataset(fresh("colour"), channels=3)


def test_job_types_are_listed(ana):
    rows = {line.split("\t")[0]: line.split("\t") for line in ana.says("jobtype").splitlines()}
    assert rows["work"][1] == "raw"
    assert rows["tool"][1] == "(no data)"
    assert "closed" not in rows  # it is for others


def test_what_can_run_on_a_selection_and_why_not(ana, two):
    """req. 102"""
    rows = {
        line.split("\t")[0]: line.split("\t")[1:]
        for line in ana.says("jobtype", "-d", two[0]).splitlines()
    }
    assert rows["work"] == ["yes", ""]
    assert rows["tool"] == ["no", "it takes no data: start it without a selection"]


def test_job_type_with_its_options(ana):
    lines = ana.says("jobtype", "work").splitlines()
    assert lines[:3] == [
        "work",
        "  runs on datasets or datafiles of datasets of type raw",
        "  several inputs: all in one job (--one) or one job each (--each)",
    ]
    at = lines.index("  -o 'Factor=NUMBER'")
    assert lines[at + 1] == "      at least 0, at most 10, by default 1"
    at = lines.index("  -o 'Colours=true'")
    assert lines[at + 1] == "      only if numChannels == 3"
    assert json.loads(ana.says("--json", "jobtype", "work"))["name"] == "work"
    assert "ijp submit tool -- ARGUMENT..." in ana.says("jobtype", "tool")


def test_options_that_fit_a_selection(ana, two):
    """req. 104, 120"""
    assert "numChannels is 1" in ana.says("jobtype", "work", "-d", two[0])
    assert "not offered" not in ana.says("jobtype", "work", "-d", two[1])
    assert "not offered here" in ana.says("jobtype", "work", "-d", f"{two[0]},{two[1]}")
    found = json.loads(ana.says("--json", "jobtype", "work", "-d", two[0]))
    assert {one["key"]: one["offered"] for one in found["offered"]}["Colours"] is False


def test_unknown_job_type(ana):
    assert (
        ana.refuses("jobtype", "nosuch", code=5) == "ijp: there is no job type 'nosuch' for you\n"
    )
    ana.refuses("submit", "nosuch", code=5)
    ana.refuses("submit", "closed", code=4)


def test_submit_watch_and_read(ana, portal, two):
    """req. 26, 41, 105, 106"""
    done = ana.run("submit", "work", "-d", two[0], "-o", "Factor=2.5", "--watch")
    number = number_of(done.stdout)
    assert done.stdout == f"{number}\n"
    assert "Completed" in done.stderr
    assert ana.says("output", number) == "total 12.5\n"
    lines = ana.says("status", number).splitlines()
    assert lines[0] == f"job {number}  work  Completed"
    job = portal.user().job(number)
    assert f"  results    datasets {job['outputs']['datasets'][0]}" in lines
    assert f"  inputs     datasets {two[0]}" in lines
    history = ana.says("provenance", job["outputs"]["datasets"][0]).splitlines()
    assert history[1] == "made from:"
    assert history[2].startswith(f"  job {job['publicId']}  work")
    assert history[3].startswith(f"    dataset {two[0]}  grey")
    assert ana.says("status", job["publicId"]).splitlines()[0] == lines[0]


def test_dry_run_shows_the_command_and_submits_nothing(ana, portal, two):
    """req. 103"""
    before = portal.user().jobs()["jobs"][:1]
    words = ["submit", "work", "-d", two[1], "-o", "Colours=true", "-o", "Result=a b", "--dry-run"]
    told = ana.says(*words)
    assert told.startswith(f"{portal.services.settings.programs_folder / 'work'} ")
    assert f"--datasetIds={two[1]} --colours --result 'a b' '--ijpJobId=…'" in told
    assert json.loads(ana.says("--json", *words))["jobs"] == 1
    both = f"{two[0]},{two[1]}"
    told = ana.says("submit", "work", "-d", both, "--each", "--dry-run").splitlines()
    assert told[1] == "and 1 more like it, each with its own input"
    assert ana.refuses("submit", "work", "-d", both, "--dry-run", code=7) == (
        "ijp: One job for all 2 inputs, or 2 jobs with one each? (--one or --each)\n"
    )
    ana.run("--json", "submit", "work", "-d", both, "--dry-run", code=7)
    assert portal.user().jobs()["jobs"][:1] == before


def test_one_job_or_many(ana, portal, two):
    """req. 43-45, 107, 108"""
    both = ["-d", two[0], "-d", two[1]]
    assert "(--one or --each)" in ana.refuses("submit", "work", *both, code=7)
    (one,) = ana.says("submit", "work", *both, "--one").split()
    assert portal.user().job(one)["inputs"]["datasets"] == list(two)
    each = ana.says("submit", "work", *both, "--each").split()
    assert [portal.user().job(id)["inputs"]["datasets"] for id in each] == [[two[0]], [two[1]]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["Factor=abc"], "ijp: Factor: 'abc' is not a number"),
        (["Factor=11"], "ijp: Factor: 11 is above the largest value, 10"),
        (["Then=sing"], "ijp: Then: 'sing' is not one of"),
        (["Colours=true"], "ijp: Colours: this option is not offered: numChannels == 3 is needed"),
        (["Nosuch=1"], "ijp: Nosuch: 'work' has no option 'Nosuch'"),
    ],
)
def test_fault_in_an_option_names_it(ana, two, options, message):
    """A value of the wrong type, out of range, hidden by its condition."""
    words = [word for option in options for word in ("-o", option)]
    assert message in ana.refuses("submit", "work", "-d", two[0], *words, code=7)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["work"], 7, "ijp: it needs datasets or datafiles of type raw\n"),
        (["tool", "-d", "1"], 7, "ijp: it takes no data: start it without a selection\n"),
        (["work", "-d", "999999"], 5, "ijp: there is no dataset 999999 that you may see\n"),
        (["work", "-d", "x"], 2, "'x' is not an id"),
        (["work", "-d", "0"], 2, "'0' is not an id"),
        (["work", "-d", str(2**63)], 2, "is not an id"),
        (["work", "-o", "Factor"], 2, "an option is NAME=VALUE, not 'Factor'"),
        (["work", "--investigation", "1,2"], 2, "--investigation takes one id"),
    ],
)
def test_what_cannot_be_submitted_is_told_once(ana, two, words, code, message):
    told = ana.refuses("submit", *words, code=code)
    assert message in told


def test_arguments_of_ones_own(ana):
    """Only for job types that allow it; they arrive as they were typed."""
    number = ana.says("submit", "told", "--", "a b", "-x", "").strip()
    ana.run("status", number, "--watch")
    assert json.loads(ana.says("output", number))["argv"][:3] == ["a b", "-x", ""]
    told = ana.refuses("submit", "work", "--", "-x", code=7)
    assert "takes no arguments of your own" in told


def test_same_key_is_the_same_submission(ana, fresh):
    key = fresh("key")
    words = ["submit", "tool", "--key", key, "--", "steps", "0"]
    assert ana.says(*words) == ana.says(*words)


@pytest.mark.parametrize(
    ("arguments", "code", "state"), [(["exit", "0"], 0, "Completed"), (["exit", "4"], 10, "Failed")]
)
def test_exit_status_tells_how_the_job_ended(ana, arguments, code, state):
    """req. 83"""
    done = ana.run("submit", "tool", "--watch", "--", *arguments, code=code)
    assert state in done.stderr
    number = number_of(done.stdout)
    again = ana.run("status", number, "--watch", code=code)
    assert again.stdout.splitlines()[0] == f"job {number}  tool  {state}"
    if code:
        assert f"  see        ijp output -e {number}" in again.stdout.splitlines()


def test_json_of_a_watched_submission_is_how_it_ended(ana):
    done = ana.run("--json", "submit", "tool", "--watch", "--", "exit", "4", code=10)
    (job,) = json.loads(done.stdout)
    assert (job["state"], job["exitCode"]) == ("Failed", 4)


def test_many_jobs_are_watched_together(ana, portal, fresh, monkeypatch):
    """req. 83: by pages of the list, not job by job."""
    monkeypatch.setattr("ijp.cli.watch._PAGE", 4)
    ids = [portal.dataset(fresh("many")) for _ in range(14)]
    words = ["submit", "work", "-d", ",".join(map(str, ids)), "--each", "--watch"]
    done = ana.run(*words, "-o", "Factor=1")
    assert len(done.stdout.split()) == 14
    assert "14 ended, 0 failed" in done.stderr


def test_cancel_delete_and_their_refusals(ana, portal):
    """req. 40"""
    number = number_of(ana.says("submit", "tool", "steps", "60"))
    portal.wait(number, "Executing")
    assert "cancel it before deleting it" in ana.refuses("delete", number, code=6)
    assert ana.says("cancel", number) == f"job {number}: is being cancelled\n"
    done = ana.run("status", number, "--watch", code=11)
    assert done.stdout.startswith(f"job {number}  tool  Cancelled")
    assert ana.says("cancel", number) == f"job {number}: Cancelled already\n"
    assert [one["id"] for one in json.loads(ana.says("--json", "cancel", number))] == [number]
    assert json.loads(ana.says("--json", "delete", number)) == {"deleted": [str(number)]}
    for words in (["status"], ["output"], ["cancel"], ["delete"], ["status", "--watch"]):
        assert ana.refuses(*words, number, code=5) == f"ijp: there is no job {number} of yours\n"


def test_jobs_of_others_are_not_there(ana, command_of):
    """req. 39"""
    number = number_of(command_of("ben").says("submit", "tool", "exit", "0"))
    assert str(number) not in [line.split("\t")[0] for line in ana.says("status").splitlines()]
    for words in (["status"], ["output"], ["cancel"], ["delete"]):
        ana.refuses(*words, number, code=5)


def test_list_is_filtered(ana):
    failed = number_of(ana.run("submit", "tool", "--watch", "--", "exit", "5", code=10).stdout)
    rows = [line.split("\t") for line in ana.says("status", "--state", "Failed").splitlines()]
    assert {row[3] for row in rows} == {"Failed"}
    assert rows[0][0] == str(failed)
    assert rows[0][4] == "the program ended with code 5"
    assert len(ana.says("status", "--limit", "1").splitlines()) == 1
    assert ana.run("status", "--type", "nosuch").stderr == "no jobs: submit one with ijp submit\n"
    assert "there are: Staging, Queued" in ana.refuses("status", "--state", "Nice", code=7)
    assert "which job" in ana.refuses("status", "--watch", code=2)
    assert json.loads(ana.says("--json", "status", "--limit", "2"))[0]["id"] >= failed


@pytest.mark.parametrize("reference", ["../session", "x/../../session", "%2e%2e", "é", "-1"])
def test_reference_stays_in_its_place(ana, reference):
    """A job's reference is part of an address."""
    ana.run("status", "--", reference, code=5)


def test_output_follows_a_running_job(ana, portal):
    """req. 41: the first line comes before the last is written."""
    number = ana.says("submit", "tool", "steps", "3").strip()
    following = subprocess.Popen(
        [IJP, "output", "-f", number], env=ana.for_processes(), stdout=subprocess.PIPE
    )
    assert following.stdout is not None
    assert following.stdout.readline() == b"first\n"
    assert portal.user().job(number)["state"] == "Executing"
    assert following.communicate(timeout=30)[0] == b"second\n"
    assert following.returncode == 0


def test_output_goes_into_a_pipe_byte_by_byte(ana):
    number = ana.says("submit", "tool", "write", "00ff1b5b33316d0a").strip()
    ana.run("status", number, "--watch")
    done = subprocess.run([IJP, "output", number], env=ana.for_processes(), capture_output=True)
    assert done.stdout == b"\x00\xff\x1b[31m\n"


def test_standard_error_is_apart(ana, program, portal, fresh):
    """req. 41"""
    program("shouting", "#!/bin/sh\necho aside >&2\necho aloud\n")
    dataset = portal.dataset(fresh("shout"))
    number = number_of(ana.run("submit", "shouting", "-d", dataset, "--watch").stdout)
    assert (ana.says("output", number), ana.says("output", "-e", number)) == ("aloud\n", "aside\n")
    assert json.loads(ana.says("--json", "output", "-e", number)) == {
        "job": str(number),
        "stream": "err",
        "text": "aside\n",
    }
