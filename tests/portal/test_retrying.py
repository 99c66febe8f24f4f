"""Failed jobs are tried again in place: once each, with more of what ran out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ijp.errors import ConflictError, NotAuthorizedError, NotFoundError, TooLargeError
from portal import changes, job_folder
from portal.changes import Change
from portal.model import JobRow
from portal.moments import now
from portal.retrying import more_of
from portal.settings import PortalSettings
from tests.portal.test_dispatcher_crash import dispatch_until


def a_row(**values) -> JobRow:
    given = {"failure_kind": "", "resources": {}, "reason": "", "peak_memory_bytes": None}
    return JobRow(**given | values)


@pytest.mark.parametrize(
    ("row", "after"),
    [
        (a_row(failure_kind="memory", resources={"memoryMiB": 512}), {"memoryMiB": 1024}),
        (a_row(failure_kind="memory", resources={"memoryMiB": 900}), {"memoryMiB": 1500}),
        (a_row(failure_kind="memory", resources={"memoryMiB": 1500}), {"memoryMiB": 1500}),
        (a_row(failure_kind="memory", resources={"memoryMiB": 2000}), {"memoryMiB": 2000}),
        (a_row(failure_kind="memory", reason="memory limit of 100 MiB"), {"memoryMiB": 200}),
        (a_row(failure_kind="memory", peak_memory_bytes=100 * 2**20 + 1), {"memoryMiB": 202}),
        (a_row(failure_kind="memory"), {}),
        (a_row(failure_kind="time", resources={"wallMinutes": 5}), {"wallMinutes": 10}),
        (a_row(failure_kind="time", resources={"wallMinutes": 80}), {"wallMinutes": 90}),
        (
            a_row(failure_kind="time", started_at=now() - timedelta(minutes=3), ended_at=now()),
            {"wallMinutes": 8},
        ),
        (a_row(failure_kind="time"), {}),
        (
            a_row(failure_kind="program", resources={"memoryMiB": 512, "cores": 2}),
            {"memoryMiB": 512, "cores": 2},
        ),
    ],
)
def test_next_attempt_gets_twice_what_ran_out_up_to_the_limit(row, after):
    settings = object.__new__(PortalSettings)
    object.__setattr__(settings, "retry_memory_mib", 1500)
    object.__setattr__(settings, "retry_wall_minutes", 90)
    assert more_of(row, settings) == after


def failed(portal, **options):
    (job,) = portal.user().submit("hungry", options=options)
    done = portal.wait(job)
    assert done["state"] == "Failed", done["reason"]
    return done


@pytest.mark.slow
def test_job_that_ran_out_of_memory_passes_with_twice_as_much(portal):
    job = failed(portal, Memory=80)
    assert (job["failure"], job["resources"]["memoryMiB"]) == ("memory", 64)
    plan = portal.user().plan_retry([job["id"]])
    (group,) = plan["groups"]
    assert (group["jobs"], group["failure"]) == (1, "memory")
    assert (group["before"]["memoryMiB"], group["after"]["memoryMiB"]) == (64, 128)
    assert portal.user().job(job["id"])["state"] == "Failed", "the plan does nothing"
    again = portal.user().retry(job["id"])
    assert (again["id"], again["attempt"], again["failure"]) == (job["id"], 2, None)
    done = portal.completed(again)
    assert (done["publicId"], done["resources"]["memoryMiB"]) == (job["publicId"], 128)
    (first,) = done["attempts"]
    assert (first["number"], first["state"], first["failure"]) == (1, "Failed", "memory")
    assert first["resources"]["memoryMiB"] == 64
    assert any("attempt 2, with 128 MiB of memory" in one["text"] for one in done["events"])


@pytest.mark.slow
def test_outputs_of_every_attempt_are_kept_until_the_job_is_deleted(portal, tmp_path):
    job = failed(portal, Needs=str(tmp_path / "ready"), name="me")
    (tmp_path / "ready").touch()
    portal.user().retry(job["id"])
    done = portal.completed(job["id"])
    browser = portal.browser()

    def written(query: str) -> str:
        with browser.get(f"/api/v1/jobs/{job['id']}/output{query}") as answer:
            return answer.text

    assert written("") == written("?attempt=2") == "began me\nended\n"
    assert written("?attempt=1") == "began me\n"
    assert browser.get(f"/api/v1/jobs/{job['id']}/output?attempt=3").status_code == 404
    assert "Earlier attempts" in browser.get(f"/jobs/{job['id']}?tab=timeline").text
    with Session(portal.services.database) as transaction:
        row = transaction.get(JobRow, job["id"])
        marks = [row.public_id, row.mark]
    assert portal.user().job(marks[1])["id"] == done["id"]
    folders = [job_folder.of(portal.folder / "work", mark) for mark in marks]
    assert all(one.exists() for one in folders)
    portal.user().delete(job["id"])
    assert not any(one.exists() for one in folders)


@pytest.mark.slow
def test_failed_elements_of_a_sweep_are_tried_again_in_place(portal, tmp_path):
    lines = [f"job{n},{tmp_path}/{'there' if n % 2 else 'missing'}{n}" for n in range(6)]
    for n in (1, 3, 5):
        (tmp_path / f"there{n}").touch()
    text = "option:name,Needs\n" + "\n".join(lines) + "\n"
    made = portal.user().submit_batch("hungry", text.encode())
    for id in made["jobIds"]:
        portal.wait(id)
    counts = portal.user().sweep(made["sweepId"])["counts"]
    assert (counts["done"], counts["failed"], counts["failures"]) == (3, 3, {"program": 3})
    for n in (0, 2, 4):
        (tmp_path / f"missing{n}").touch()
    page = portal.browser().get(f"/jobs/retry?sweeps={made['sweepId']}").text
    assert "Try 3 jobs again" in page
    assert "Program error" in page
    found = portal.user().act("retry", sweeps=[made["sweepId"]])
    assert found["done"] == 3
    for id in made["jobIds"]:
        portal.completed(id)
    assert portal.user().sweep(made["sweepId"])["counts"]["done"] == 6
    assert [one["id"] for one in portal.user().jobs(sweep=made["sweepId"])["jobs"]] == made[
        "jobIds"
    ]
    runs = {one.stem: len(one.read_text().split()) for one in tmp_path.glob("*.runs")}
    assert runs == {f"missing{n}": 2 for n in (0, 2, 4)} | {f"there{n}": 1 for n in (1, 3, 5)}


@pytest.mark.slow
@pytest.mark.parametrize("step", ["marked", "submitted"])
def test_killed_at_each_step_runs_the_second_attempt_exactly_once(make_portal, tmp_path, step):
    portal = make_portal()
    job = failed(portal, Needs=str(tmp_path / "ready"))
    portal.stop()
    (tmp_path / "ready").touch()
    portal.user().retry(job["id"])
    dispatch_until(portal, step)
    portal.start()
    assert portal.completed(job["id"])["attempt"] == 2
    assert len((tmp_path / "ready.runs").read_text().split()) == 2


@pytest.mark.slow
def test_second_attempt_has_a_provenance_of_its_own(portal):
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source], options={"Then": "wait"})
    portal.wait(job, "Executing")
    portal.user().cancel(job["id"])
    portal.wait(job)
    with Session(portal.services.database) as transaction, transaction.begin():
        arguments = [f"--datasetIds={source}"]
        transaction.execute(update(JobRow).values(arguments=arguments))
    portal.user().retry(job["id"])
    done = portal.completed(job["id"])
    (made,) = done["outputs"]["datasets"]
    assert portal.root.search("SELECT j.id FROM Job j") == [done["provenanceId"]]
    graph = portal.user().provenance(made)
    (link,) = [one["href"] for one in graph["nodes"] if one["kind"] == "job"]
    assert portal.browser().get(link).status_code == 200
    history = portal.browser().get(f"/datasets/{made}").text
    assert f"/jobs/{job['id']}" in history


@pytest.mark.slow
def test_what_is_told_of_an_earlier_attempt_leaves_the_present_one_alone(make_portal):
    portal = make_portal(dispatcher=False)
    (job,) = portal.user().submit("tool")
    portal.user().cancel(job["id"])
    portal.user().retry(job["id"])
    late = Change(job["id"], {"state": "Queued", "batch_id": "old"}, "late", attempt=1)
    changes.apply(portal.services.database, [late])
    found = portal.user().job(job["id"])
    assert (found["state"], found["attempt"]) == ("Staging", 2)
    assert [one["text"] for one in found["events"]][-1] == "attempt 2"


@pytest.mark.slow
def test_what_cannot_be_tried_again_is_told_with_the_reason(make_portal):
    portal = make_portal(dispatcher=False)
    (job,) = portal.user().submit("tool")
    with pytest.raises(ConflictError, match=f"job {job['id']} is Staging; only what failed"):
        portal.user().retry(job["id"])
    portal.user().cancel(job["id"])
    with pytest.raises(NotFoundError):
        portal.user("ben").retry(job["id"])
    root = {"Authorization": f"Bearer {portal.root.session_id}"}
    answer = portal.app.test_client().post(f"/api/v1/jobs/{job['id']}/retry", headers=root)
    assert answer.json["code"] == NotAuthorizedError.code
    with Session(portal.services.database) as transaction, transaction.begin():
        transaction.execute(update(JobRow).values(job_type_version="old"))
    with pytest.raises(ConflictError, match="is not what it was"):
        portal.user().retry(job["id"])
    page = portal.browser().get(f"/jobs/retry?jobs={job['id']}").text
    assert "None of these can be tried again" in page


@pytest.mark.slow
def test_data_that_are_gone_keep_a_job_from_being_tried_again(make_portal):
    portal = make_portal(dispatcher=False)
    source = portal.dataset("source", files={})
    (job,) = portal.user().submit("work", dataset_ids=[source])
    portal.user().cancel(job["id"])
    portal.root.delete("Dataset", [source])
    with pytest.raises(NotFoundError, match=f"needs dataset {source}"):
        portal.user().retry(job["id"])


@pytest.mark.slow
def test_retry_counts_for_the_quota_and_tries_none_beyond_it(make_portal):
    portal = make_portal(dispatcher=False)
    made = portal.user().submit_batch("tool", b"arguments\na\nb\n")
    portal.user().act("cancel", sweeps=[made["sweepId"]])
    object.__setattr__(portal.services.settings, "jobs_per_user", 1)
    with pytest.raises(TooLargeError):
        portal.user().act("retry", made["jobIds"])
    with Session(portal.services.database) as transaction:
        assert set(transaction.scalars(select(JobRow.attempt))) == {1}


@pytest.mark.slow
def test_retry_of_the_page_is_done_once(make_portal):
    portal = make_portal(dispatcher=False)
    made = portal.user().submit_batch("tool", b"arguments\na\nb\n")
    portal.user().act("cancel", sweeps=[made["sweepId"]])
    browser = portal.browser()
    asked = f"{made['jobIds'][0]}-{made['jobIds'][1]}"
    page = browser.get(f"/jobs/retry?jobs={asked}")
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"csrf_token": token, "jobs": asked, "more": "true"}
    assert (
        "2 jobs are tried again"
        in browser.post("/jobs/retry", data=form, follow_redirects=True).text
    )
    again = browser.post("/jobs/retry", data=form, follow_redirects=True).text
    assert "Not done:" in again
    assert {portal.user().job(id)["attempt"] for id in made["jobIds"]} == {2}
