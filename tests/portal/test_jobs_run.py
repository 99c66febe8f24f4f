"""Jobs from submission to their end (req. 1, 26, 40, 41, 43-45, 78, 80, 91, 92, 105)."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from ijp.errors import ConflictError, NotFoundError
from portal import job_folder

pytestmark = pytest.mark.slow


def output(portal, job, stream="out", user="ana"):
    return b"".join(portal.user(user).output(job["id"], stream=stream))


def test_job_without_data_runs_and_its_output_is_read(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    done = portal.completed(job)
    assert (done["state"], done["exitCode"], done["reason"]) == (
        "Completed",
        0,
        "the program ended well",
    )
    assert output(portal, job) == b"first\nsecond\n"
    assert done["submittedAt"] <= done["startedAt"] <= done["endedAt"]
    assert done["events"][0]["state"] == "Staging"
    assert done["events"][-1]["state"] == "Completed"


def test_output_is_read_while_the_job_runs(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "30"])
    portal.wait(job, "Executing")
    until = time.monotonic() + 10
    while output(portal, job) != b"first\n":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert b"".join(portal.user().output(job["id"], offset=2)) == b"rst\n"
    assert b"".join(portal.user().output(job["id"], offset=6)) == b""
    portal.user().cancel(job["id"])
    assert portal.wait(job)["state"] == "Cancelled"


@pytest.mark.parametrize(
    ("arguments", "reason", "exit_code", "signal"),
    [
        (["exit", "3"], "the program ended with code 3", 3, None),
        (["kill"], "the program was ended by signal 9 (SIGKILL)", None, 9),
    ],
)
def test_failure_is_told_in_words(portal, arguments, reason, exit_code, signal):
    (job,) = portal.user().submit("tool", arguments=arguments)
    done = portal.wait(job)
    found = (done["state"], done["reason"], done["exitCode"], done["signal"])
    assert found == ("Failed", reason, exit_code, signal)


def test_missing_program_fails_the_job_and_is_named(portal):
    (job,) = portal.user().submit("missing")
    done = portal.wait(job)
    assert done["state"] == "Failed"
    assert done["reason"].startswith("program not found")
    assert "nothing-there" in done["reason"]


def test_arguments_arrive_as_they_were_sent_and_no_secret_is_among_them(portal):
    """B7, B8, security 3, 5."""
    odd = ["", "a b", "new\nline", "'quoted' \"twice\"", "$HOME;`id`", "\u00e9\u4e16", "-x", "*"]
    (job,) = portal.user().submit("told", arguments=odd)
    portal.completed(job)
    told = json.loads(output(portal, job))
    assert told["argv"][: len(odd)] == odd
    assert told["argv"][len(odd) :] == [
        f"--icatUrl={portal.url}/icat",
        f"--idsUrl={portal.url}/ids",
        f"--ijpJobId={job['id']}",
        f"--ijpUrl={portal.url}",
    ]
    session_id = portal.user().session_id
    assert session_id not in json.dumps(told)
    assert set(told["environment"]) >= {"IJP_JOB_FILE", "HOME", "PATH"}
    assert not any("SECRET" in name or "IJP_SETTINGS" in name for name in told["environment"])


def test_files_of_a_job_are_private_and_its_token_goes_with_it(portal):
    """Security 5, B21."""
    (job,) = portal.user().submit("tool", arguments=["steps", "30"])
    running = portal.wait(job, "Executing")
    folder = job_folder.of(portal.folder / "work", running["publicId"])
    file = folder / "job.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    token = json.loads(file.read_text())["token"]
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True)
    assert token not in listed.stdout
    database = (portal.folder / "portal.db").read_bytes()
    assert token.encode() not in database
    assert portal.user().session_id.encode() not in database
    portal.user().cancel(job["id"])
    portal.wait(job)
    until = time.monotonic() + 5
    while file.exists() or (folder / "work").exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_cancel_before_the_start_and_again_after_the_end(make_portal):
    portal = make_portal(dispatcher=False)
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    portal.user().cancel(job["id"])
    portal.start()
    done = portal.wait(job)
    assert (done["state"], done["reason"]) == ("Cancelled", "cancelled before it started")
    portal.user().cancel(job["id"])
    assert portal.user().job(job["id"])["events"] == done["events"]
    assert output(portal, job) == b""


def test_cancelled_job_is_cancelled_not_failed(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    portal.user().cancel(job["id"])
    done = portal.wait(job)
    assert (done["state"], done["reason"]) == ("Cancelled", "cancelled")


def test_held_job_waits_until_it_is_released(portal):
    blockers = [portal.user().submit("tool", arguments=["steps", "60"])[0]["id"] for _ in range(4)]
    for blocker in blockers:
        portal.wait(blocker, "Executing")
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    assert portal.wait(job, "Queued")["reason"] == "waiting for a free slot"
    portal.user()._call("POST", f"/jobs/{job['id']}/hold")
    portal.wait(job, "Held")
    for blocker in blockers:
        portal.user().cancel(blocker)
    for blocker in blockers:
        portal.wait(blocker)
    assert portal.user().job(job["id"])["state"] == "Held"
    portal.user()._call("POST", f"/jobs/{job['id']}/release")
    portal.completed(job)


def test_delete_takes_the_record_and_the_output_but_only_of_an_ended_job(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    with pytest.raises(ConflictError, match="cancel it before"):
        portal.user().delete(job["id"])
    portal.user().cancel(job["id"])
    done = portal.wait(job)
    folder = job_folder.of(portal.folder / "work", done["publicId"])
    portal.user().delete(job["id"])
    with pytest.raises(NotFoundError):
        portal.user().job(job["id"])
    assert not folder.exists()
    (next_job,) = portal.user().submit("tool", arguments=["steps", "0"])
    assert next_job["id"] > job["id"], "a deleted job's number is not given to another"


def test_job_makes_a_dataset(portal):
    source = portal.dataset("source", files={"a.txt": b"hello", "b.txt": b"world!"})
    (job,) = portal.user().submit("work", dataset_ids=[source], options={"Factor": 2})
    done = portal.completed(job)
    (made,) = done["outputs"]["datasets"]
    found = portal.user().job(job["id"])
    assert (found["progress"], found["progressMessage"]) == (0.5, "half way")
    assert len(found["inputs"]["datafilesRead"]) == 2
    dataset = portal.root.get(
        "Dataset d INCLUDE d.parameters.type, d.datafiles, d.type, d.investigation", made
    )
    assert dataset["complete"] is True
    assert dataset["createId"] == "simple/ana"
    values = {one["type"]["name"]: one for one in dataset["parameters"]}
    assert values["total"]["numericValue"] == 22
    assert values["note"]["stringValue"] == "made"
    assert [one["name"] for one in dataset["datafiles"]] == ["total.txt"]
    assert dataset["investigation"]["name"] == "A"


def test_result_is_its_users_alone(portal):
    """req. 3: whoever may not read the investigation finds nothing of it."""
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source])
    (made,) = portal.completed(job)["outputs"]["datasets"]
    ben = portal.services.catalog.login(
        "simple", {"username": "ben", "password": "ben's own words"}
    )
    assert ben.search(f"SELECT d.id FROM Dataset d WHERE d.id = {made}") == []
    with pytest.raises(NotFoundError):
        portal.user("ben").submit("work", dataset_ids=[made])
    with pytest.raises(NotFoundError):
        portal.user("ben").job(job["id"])


@pytest.mark.parametrize(("then", "reason"), [("fail", "code 3"), ("die", "signal 9")])
def test_unfinished_result_of_a_failed_job_is_taken_away(portal, then, reason):
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source], options={"Then": then})
    done = portal.wait(job)
    assert done["state"] == "Failed"
    assert reason in done["reason"]
    assert done["outputs"]["datasets"] == []
    assert portal.root.search("SELECT d.name FROM Dataset d") == ["source"]
    assert portal.root.search("SELECT f.name FROM Datafile f") == ["a.txt"]
    assert any("was removed" in event["text"] for event in done["events"])
    assert portal.root.search("SELECT j FROM Job j") == []


def test_repeat_gives_a_job_with_the_same_inputs_and_options(portal):
    sources = [portal.dataset(name) for name in ("one", "two")]
    (job,) = portal.user().submit("work", dataset_ids=sources, options={"Factor": 3}, one_job=True)
    portal.completed(job)
    (again,) = portal.user().repeat(job["id"])
    done = portal.completed(again)
    assert again["id"] != job["id"]
    assert done["inputs"]["datasets"] == sources
    assert done["options"] == {"Factor": 3}


def test_outputs_that_are_hostile_are_text(portal):
    """Security 16: never a page, whatever a job writes."""
    evil = b"<script>alert(1)</script>\x1b[2J\xff\x00"
    (job,) = portal.user().submit("tool", arguments=["write", evil.hex()])
    portal.completed(job)
    browser = portal.browser()
    with browser.get(f"/api/v1/jobs/{job['id']}/output") as answer:
        assert answer.data == evil
        assert answer.mimetype == "text/plain"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    tail = browser.get(f"/api/v1/jobs/{job['id']}/output?tail=6")
    assert tail.data.decode() == "\x1b[2J\ufffd\x00"[-6:]
    assert browser.get(f"/api/v1/jobs/{job['id']}/output?stream=../x").status_code == 400


def test_many_jobs_of_one_submission_all_run_once(portal, tmp_path):
    sources = [portal.dataset(f"d{number}") for number in range(6)]
    jobs = portal.user().submit("work", dataset_ids=sources, one_job=False)
    assert len(jobs) == 6
    inputs = [portal.completed(job, user="ana")["inputs"]["datasets"] for job in jobs]
    assert inputs == [[one] for one in sources]
    assert len(portal.root.search("SELECT j.id FROM Job j")) == 6


def test_stopped_dispatcher_goes_on_where_it_was(portal, tmp_path: Path):
    """req. 78: a job that ends while nobody looks is Completed when somebody looks again."""
    (job,) = portal.user().submit("tool", arguments=["once", str(tmp_path / "count"), "0.5"])
    portal.wait(job, "Executing")
    portal.stop()
    time.sleep(1)
    portal.start()
    portal.completed(job)
    assert len((tmp_path / "count").read_text().splitlines()) == 1


def test_whole_day_on_postgresql(postgresql_url, make_portal):
    """Item 10: the same by one setting."""
    portal = make_portal(postgresql_url)
    sources = [portal.dataset(name) for name in ("one", "two", "three")]
    jobs = portal.user().submit("work", dataset_ids=sources, one_job=False)
    for job in jobs:
        done = portal.completed(job)
        assert done["provenanceId"]
        assert len(done["inputs"]["datafilesRead"]) == 1
    (long,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(long, "Executing")
    portal.user().cancel(long["id"])
    assert portal.wait(long)["state"] == "Cancelled"
    portal.user().delete(long["id"])
    assert [one["id"] for one in portal.user().jobs()["jobs"]] == [one["id"] for one in jobs][::-1]
