"""Many jobs by the command: batch files, sweeps, bulk actions, waiting."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def file_of(tmp_path):
    """Makes a batch file: ``file_of("arguments\\nexit 0\\n")``."""

    def file_of(text: str, name: str = "jobs.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return file_of


@pytest.fixture
def blocked(portal, ana):
    """Jobs that keep all slots, so that others wait; they end after the test."""
    jobs = [ana.says("submit", "tool", "steps", "60").strip() for _ in range(4)]
    for job in jobs:
        portal.wait(int(job), "Executing")
    yield jobs
    ana.run("cancel", *jobs)
    ana.run("wait", *jobs, code=11)


def test_batch_file_is_one_sweep(ana, file_of):
    path = file_of("arguments,name\nexit 0,first\nexit 4,second\nexit 0,\n")
    done = ana.run("submit", "tool", "--array", path, "--name", "tonight", "--watch", code=10)
    word = done.stdout.strip()
    assert word.startswith("s")
    assert "2 done, 1 failed" in done.stderr
    lines = ana.says("status", word).splitlines()
    assert lines[0] == f"sweep {word}  tonight  Failed"
    assert lines[1:3] == ["  2 done, 1 failed", "  program error             1"]
    assert [line.split("\t")[3] for line in lines[3:]] == ["Completed", "Failed", "Completed"]
    rows = [line.split("\t") for line in ana.says("status").splitlines()]
    assert rows[0][0] == word
    assert (rows[0][3], rows[0][4]) == ("Failed", "2 done, 1 failed")
    assert ana.says("status", word, "--state", "Failed").count("\t4\t") == 0
    found = json.loads(ana.says("--json", "status", word))
    assert (found["counts"]["failed"], len(found["jobs"])) == (1, 3)


def test_dry_run_shows_each_command_and_every_fault(ana, portal, file_of):
    before = portal.user().job_list(limit=1)["entries"]
    good = ana.says("submit", "tool", "--array", file_of("arguments\na 'b c'\n"), "--dry-run")
    assert good.splitlines()[0].endswith("/tool a 'b c'")
    assert good.splitlines()[-1] == "1 good, 0 wrong"
    path = file_of('{"arguments": ["--sessionId=x"]}\n{"nosuch": 1\n', "jobs.jsonl")
    told = ana.run("submit", "tool", "--array", path, "--dry-run", code=7).stdout.splitlines()
    assert told[0] == "line 1, column arguments: '--sessionId=x' is reserved for the portal"
    assert told[1].startswith("line 2: this is not JSON")
    assert told[2] == "0 good, 2 wrong"
    message = ana.refuses("submit", "tool", "--array", path, code=7)
    assert "line 1, column arguments: '--sessionId=x' is reserved" in message
    assert portal.user().job_list(limit=1)["entries"] == before


def test_wrong_rows_can_be_left_out(ana, file_of):
    path = file_of("arguments\nexit 0\n--sessionId=x\n")
    number = ana.says("submit", "tool", "--array", path, "--leave-out-wrong").strip()
    ana.run("wait", number, code=0)


def test_batch_file_that_is_none_is_refused(ana, tmp_path, file_of):
    large = tmp_path / "large.csv"
    with large.open("wb") as target:
        target.truncate(100 << 20)
    assert "too large for a batch file" in ana.refuses("submit", "tool", "--array", large, code=7)
    assert "header and no rows" in ana.refuses(
        "submit", "tool", "--array", file_of("arguments\n"), code=7
    )
    ana.refuses("submit", "tool", "--array", tmp_path / "nosuch.csv", code=2)
    told = ana.refuses("submit", "tool", "--array", file_of("a\n1\n"), "-d", "1", code=2)
    assert "the file says on what" in told


def test_each_tells_which_sweep_it_is(ana, portal, fresh):
    ids = [portal.dataset(fresh("each")) for _ in range(2)]
    done = ana.run("submit", "work", "-d", ",".join(map(str, ids)), "--each")
    jobs = done.stdout.split()
    sweep = portal.user().job(jobs[0])["sweepId"]
    assert done.stderr == f"these 2 jobs are sweep s{sweep}\n"
    ana.run("wait", f"s{sweep}", code=0)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["exit", "0"], 0), (["exit", "4"], 4), (["kill"], 137)]
)
def test_wait_ends_as_the_program_of_the_job_did(ana, arguments, code):
    number = ana.says("submit", "tool", "--", *arguments).strip()
    ana.run("wait", number, code=code)


def test_wait_for_several_is_the_worst_of_them(ana):
    good = ana.says("submit", "tool", "--", "exit", "0").strip()
    bad = ana.says("submit", "tool", "--", "exit", "4").strip()
    ana.run("wait", good, good, code=0)
    ana.run("wait", good, bad, code=10)
    ana.refuses("wait", "99999999", code=5)
    ana.refuses("wait", "s99999999", code=5)


def test_hold_release_and_cancel_of_jobs_and_sweeps(ana, portal, blocked, file_of):
    number = ana.says("submit", "tool", "steps", "0").strip()
    sweep = ana.says("submit", "tool", "--array", file_of("arguments\nexit 0\nexit 0\n")).strip()
    elements = [one["id"] for one in portal.user().jobs(sweep=int(sweep[1:]))["jobs"]]
    for job in (int(number), *elements):
        portal.wait(job, "Queued")
    told = ana.says("hold", number, sweep).splitlines()
    assert told == [f"job {id}: will not start before it is released" for id in (number, *elements)]
    for job in (int(number), *elements):
        portal.wait(job, "Held")
    assert ana.says("release", number) == f"job {number}: may start\n"
    portal.wait(int(number), "Queued")
    assert len(ana.says("cancel", number, sweep).splitlines()) == 3
    ana.run("wait", number, sweep, code=11)
    assert ana.refuses("hold", number, code=6).startswith(f"ijp: job {number} is Cancelled")
    assert len(ana.says("delete", sweep).splitlines()) == 2
    ana.refuses("status", sweep, code=5)


def test_action_does_what_goes_and_tells_what_does_not(ana):
    number = ana.says("submit", "tool", "exit", "0").strip()
    ana.run("wait", number)
    done = ana.run("delete", "99999999", number, "99999998", code=5)
    assert done.stdout == f"job {number}: deleted\n"
    assert done.stderr.splitlines() == [
        "ijp: there is no job 99999998 of yours",
        "ijp: there is no job 99999999 of yours",
    ]


def test_retry_gives_more_memory_and_says_so_before(ana, tmp_path):
    number = ana.says("submit", "hungry", "-o", "Memory=80").strip()
    ana.run("wait", number, code=137)
    assert ana.says("status", number).splitlines()[1] == "  out of memory"
    plan = ana.says("retry", number, "--dry-run")
    assert plan == "1 job: out of memory; 64 -> 128 MiB of memory\n"
    same = ana.says("retry", number, "--dry-run", "--same")
    assert same == "1 job: out of memory; with what they had\n"
    assert ana.says("retry", number) == f"job {number}: is tried again\n"
    ana.run("wait", number, code=0)
    lines = ana.says("status", number).splitlines()
    assert any(line.startswith("  attempt 1  Failed: memory limit of 64 MiB") for line in lines)
    assert "only what failed" in ana.refuses("retry", number, code=6)
    ana.run("retry", number, "--dry-run", code=6)


def test_failed_jobs_of_a_sweep_are_tried_again_by_their_reason(ana, file_of, tmp_path):
    needed = tmp_path / "needed"
    path = file_of(f"Memory,Needs\n80,\n,{needed}\n,\n")
    sweep = ana.says("submit", "hungry", "--array", path).strip()
    ana.run("wait", sweep, code=10)
    assert len(ana.says("status", sweep, "--failure", "memory").splitlines()) == 5
    assert ana.says("retry", sweep, "--failure", "memory").endswith(": is tried again\n")
    ana.run("wait", sweep, code=10)
    needed.touch()
    assert len(ana.says("retry", sweep).splitlines()) == 1
    ana.run("wait", sweep, code=0)


def test_repeat_is_a_new_job(ana):
    number = ana.says("submit", "tool", "exit", "0").strip()
    ana.run("wait", number)
    told = ana.says("repeat", number)
    made = told.split()[-1]
    assert told == f"job {number}: again as job {made}\n"
    assert int(made) > int(number)
    ana.run("wait", made)


def test_queues_are_listed(ana):
    done = ana.run("queues")
    (row,) = [line.split("\t") for line in done.stdout.splitlines()]
    assert row[:2] == ["local", "1/1"]
    assert "of them yours" in done.stderr
    assert json.loads(ana.says("--json", "queues"))["queues"][0]["name"] == "local"


def test_alterations_are_asked_for_and_decided(ana, portal, blocked):
    """The local engine cannot alter what it has: that is told to who asks."""
    number = ana.says("submit", "hungry").strip()
    portal.wait(int(number), "Queued")
    told = ana.refuses("alter", number, "--minutes", "9", code=1)
    assert "cannot alter jobs that it has" in told
    assert "say what is to be altered" in ana.refuses("alter", number, code=2)
    assert ana.run("alterations").stderr == "nothing was asked for\n"
    ana.refuses("alterations", "--grant", "1", code=4)
    ana.run("cancel", number)


def test_limits_are_shown_with_what_is_used(ana, blocked):
    lines = [line.split("\t") for line in ana.says("limits").splitlines()]
    assert ["your unfinished jobs", "20000"] in [[line[0], line[2]] for line in lines]
    found = json.loads(ana.says("--json", "limits"))
    (one,) = (one for one in found["limits"] if one["kind"] == "unfinished")
    assert one["used"] >= 4
    assert "administrators" in ana.run("limits", "--all", code=4).stderr


def test_order_of_jobs_that_are_started_is_not_changed(ana, blocked):
    done = ana.run("first", blocked[0], code=6)
    assert "has not got yet" in done.stderr


def test_jobs_from_elsewhere_are_none_without_settings(ana):
    done = ana.run("external")
    assert done.stdout == ""
    assert "sees no jobs of yours from elsewhere" in done.stderr
    assert "administrators" in ana.run("external", "--all", code=4).stderr
