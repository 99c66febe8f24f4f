"""Jobs in the portal: from the form to the result, and what can be done with them meanwhile."""

from __future__ import annotations

import pwd
import sqlite3
import time
from contextlib import closing

import pytest

from ijp.errors import NotFoundError, NotImplementedHereError


def text_of(client, job, stream: str = "out") -> str:
    """What a job wrote."""
    return b"".join(client.output(job["id"], stream=stream)).decode()


def test_somebody_new_gets_from_a_search_to_a_downloaded_result_by_what_pages_show(
    site, browse, ana, wait_until
):
    """req. 1, 8, 25, 94, 105: only links, labels and buttons, no address typed but the first."""
    web = browse()
    page = web.open("/")
    page.fill("Username", "ana")
    page.fill("Password", site.password["ana"])
    page = web.press(page, "Log in")
    page.fill("Dataset type", "image")
    page.fill("Words", "cell")
    page = web.press(page, "Search")
    page.fill("Select cell", True)
    page = web.press(page, "Take the ticked ones")
    page = web.follow(page, "segment")
    page.fill("Smoothing", "3")
    page = web.press(page, "Submit")
    assert "is submitted" in page.text
    number = int(page.url.rpartition("/")[2])
    assert f"Job {number} is submitted" in page.text
    assert "--smooth 3" in page.text
    page = wait_until(
        lambda: next((one for one in [web.open(page.url)] if "Done" in one.text), None), 60
    )
    assert "objects" in page.text
    page = web.follow(page, f"cell segmented {number}")
    assert "nObjects" in page.text
    answer = web.send(page, "Download")
    assert answer.content.startswith(b"PK")


def test_batch_job_is_run_and_an_interactive_type_says_that_it_cannot_be(
    site, ana, browse, facility, run_job, wait_until, images
):
    """req. 4, 19, 42: the batch half; the other says that there are no sessions yet."""
    assert run_job(ana, "date")["exitCode"] == 0
    facility.write(
        "job_types/viewer.xml",
        "<jobType acceptsDatasets='true'><name>viewer</name><executable>date</executable>"
        "<type>interactive</type><datasetTypes>image</datasetTypes></jobType>",
    )
    wait_until(lambda: "viewer" in [one["name"] for one in ana.job_types()])
    (viewer,) = [
        one for one in ana.job_types(dataset_ids=[images["cell"]]) if one["name"] == "viewer"
    ]
    assert (viewer["type"], viewer["fits"]) == ("interactive", False)
    assert "interactive" in viewer["reason"]
    with pytest.raises(NotImplementedHereError, match="runs batch jobs only"):
        ana.submit("viewer", dataset_ids=[images["cell"]])


def test_no_personal_account_is_needed_on_the_host(ana, run_job):
    """req. 21: ana is known to the catalog's log-in only."""
    with pytest.raises(KeyError):
        pwd.getpwnam("ana")
    assert run_job(ana, "date")["user"] == "simple/ana"


def test_list_has_the_jobs_of_the_user_alone(ana, ben, run_job, browse):
    """req. 39."""
    of_ana, of_ben = run_job(ana, "date")["id"], run_job(ben, "date")["id"]
    numbers = {one["id"] for one in ana.jobs(limit="100")["jobs"]}
    assert of_ana in numbers
    assert of_ben not in numbers
    page = browse("ben").open("/jobs")
    assert f"#{of_ben}" in page.text
    assert f"#{of_ana} " not in page.text
    with pytest.raises(NotFoundError):
        ben.job(of_ana)


def test_running_and_waiting_jobs_are_cancelled(site, ana, browse):
    """req. 40: by page and by program."""
    jobs = [ana.submit("chatter", options={"Lines": 9, "Pause": 60})[0] for _ in range(4)]
    site.wait(ana, jobs[0], "Executing")
    (waiting,) = [job for job in jobs[3:] if ana.job(job["id"])["state"] in ("Queued", "Staging")]
    web = browse("ana")
    web.press(web.open(f"/jobs/{waiting['id']}"), "Cancel the job")
    for job in jobs[:3]:
        ana.cancel(job["id"])
    assert {site.wait(ana, job)["state"] for job in jobs} == {"Cancelled"}
    assert ana.job(waiting["id"])["startedAt"] is None


def test_output_and_errors_are_seen_while_the_job_runs(site, ana, browse, wait_until):
    """req. 41, 106: progress, output, error log, until it has ended."""
    (job,) = ana.submit("chatter", options={"Lines": 30, "Pause": 0.2, "Word": "live"})
    wait_until(lambda: "line 1 live" in text_of(ana, job))
    assert ana.job(job["id"])["state"] == "Executing"
    web = browse("ana")
    page = web.open(f"/jobs/{job['id']}")
    assert "line 1 live" in page.text
    assert "Running" in page.text
    assert "line 29" not in page.text
    site.wait(ana, job)
    page = web.open(f"/jobs/{job['id']}")
    assert "line 29 live" in page.text
    assert "Done" in page.text
    assert "something on standard error" in web.follow(page, "Errors").text


def test_progress_of_a_job_is_told(segmented, ana, browse):
    """req. 106: what the program told of itself."""
    found = ana.job(segmented["id"])
    assert (found["progress"], found["progressMessage"]) == (0.7, "writing results")
    timeline = browse("ana").open(f"/jobs/{segmented['id']}?tab=timeline").text
    assert "Being prepared" in timeline
    assert "Done" in timeline


def test_several_datasets_are_selected_and_submitted(browse, ana, images, site):
    """req. 43, 45: montage takes all in one job, and nobody is asked."""
    web = browse("ana")
    page = web.open("/find?type=image&text=c")
    for name in ("cell", "coins"):
        page.fill(f"Select {name}", True)
    page = web.press(page, "Take the ticked ones")
    assert "2 selected" in page.text
    page = web.follow(page, "montage")
    assert page.choices("New datasets go to the investigation")[0] == ""
    (place,) = [
        one.get("value")
        for one in page.control("New datasets go to the investigation").iter("option")
        if (one.text or "").startswith("MIC-2026-1")
    ]
    page.fill("New datasets go to the investigation", place)
    page = web.press(page, "Submit")
    job = site.wait(ana, {"id": int(page.url.rpartition("/")[2])})
    assert job["state"] == "Completed"
    assert sorted(job["inputs"]["datasets"]) == sorted([images["cell"], images["coins"]])
    assert len(job["outputs"]["datasets"]) == 1


def test_one_job_for_each_dataset(ana, site, images):
    """req. 44: two datasets are two jobs with one input each."""
    pair = [images["coins"], images["brick"]]
    jobs = ana.submit("augment", dataset_ids=pair, one_job=False)
    assert [site.wait(ana, job)["inputs"]["datasets"] for job in jobs] == [[one] for one in pair]


def test_one_job_for_all_datasets(ana, site, images):
    """req. 45: two datasets are one job with two ids."""
    pair = [images["coins"], images["brick"]]
    (job,) = ana.submit("augment", dataset_ids=pair, one_job=True)
    ended = site.wait(ana, job)
    assert (ended["state"], ended["inputs"]["datasets"]) == ("Completed", pair)
    assert f"--datasetIds={pair[0]},{pair[1]}" in ended["command"]


def test_job_type_for_single_datasets_gives_a_job_for_each(
    ana, browse, facility, images, wait_until, site
):
    """req. 107: three datasets are three jobs; the page says so before."""
    facility.write(
        "job_types/single.xml",
        "<jobType acceptsDatasets='true'><name>single</name><executable>date</executable>"
        "<multiple>false</multiple><type>batch</type><datasetTypes>image</datasetTypes></jobType>",
    )
    wait_until(lambda: "single" in [one["name"] for one in ana.job_types()])
    three = ",".join(str(images[name]) for name in ("cell", "coins", "brick"))
    web = browse("ana")
    page = web.open(f"/run/single?sel={three}")
    page.fill("I intend to run 3 jobs", True)
    page = web.press(page, "Submit")
    assert "3 jobs are submitted" in page.text
    newest = ana.jobs(type="single")["jobs"]
    inputs = [site.wait(ana, job)["inputs"]["datasets"] for job in newest]
    assert sorted(inputs) == sorted([int(one)] for one in three.split(","))


def test_where_both_are_possible_the_user_is_asked(browse, images, ana):
    """req. 108: one job or many; without an answer nothing is submitted and nothing is lost."""
    web = browse("ana")
    before = len(ana.jobs(type="segment", limit="100")["jobs"])
    page = web.open(f"/run/segment?sel={images['cell']},{images['coins']},{images['brick']}")
    assert "One job for all 3 inputs" in page.labels
    assert "3 jobs with one input each" in page.labels
    page.fill("Name of the result", "typed before the answer")
    page = web.press(page, "Submit")
    assert "Please answer this first" in page.text
    assert page.control("Name of the result").value == "typed before the answer"
    assert len(ana.jobs(type="segment", limit="100")["jobs"]) == before


def test_job_is_shown_when_the_batch_system_has_forgotten_it(site, ana, segmented, browse):
    """req. 78: with its output, from the portal's own records."""
    (spool,) = (site.folder / "work").rglob("spool.sqlite")
    with closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as database:
        known = "\n".join(database.iterdump())
    assert "CREATE TABLE" in known
    assert segmented["publicId"] not in known
    page = browse("ana").open(f"/jobs/{segmented['id']}")
    assert "cell:" in page.text
    assert "objects" in page.text
    assert "Done" in page.text


def test_job_that_the_batch_system_does_not_know_is_listed_and_no_success(
    site, ana, browse, wait_until
):
    """req. 79: the portal's record stays; interactive sessions will be such jobs."""
    blocking = [ana.submit("chatter", options={"Pause": 60})[0] for _ in range(2)]
    for job in blocking:
        site.wait(ana, job, "Executing")
    (lost,) = ana.submit("chatter", options={"Lines": 1})
    wait_until(lambda: ana.job(lost["id"])["state"] == "Queued")
    (spool,) = (site.folder / "work").rglob("spool.sqlite")
    with closing(sqlite3.connect(spool, timeout=20)) as database, database:
        assert database.execute("DELETE FROM job WHERE mark = ?", [lost["publicId"]]).rowcount == 1
    for job in blocking:
        ana.cancel(job["id"])
    wait_until(lambda: ana.job(lost["id"])["state"] == "Unknown", 40)
    page = browse("ana").open("/jobs?state=running")
    assert f"#{lost['id']}" in page.text
    assert "Not known" in page.text


def test_what_happens_is_collected_while_nobody_asks(site, ana, root, images):
    """req. 80: the result is complete in the catalog before anybody asks the portal."""
    (job,) = ana.submit(
        "segment", dataset_ids=[images["coins"]], options={"Name of the result": "unasked"}
    )
    query = "SELECT d.id FROM Dataset d WHERE d.name = 'unasked' AND d.complete = TRUE"
    until = time.monotonic() + 60
    while not (made := root.search(query)):
        assert time.monotonic() < until
        time.sleep(0.2)
    written = (
        "SELECT j.id FROM Job j JOIN j.outputDataCollection.dataCollectionDatasets o"
        f" WHERE o.dataset.id = {made[0]}"
    )
    while not root.search(written):
        assert time.monotonic() < until
        time.sleep(0.2)
    assert site.wait(ana, job)["state"] == "Completed"
    root.delete("Dataset", made)
