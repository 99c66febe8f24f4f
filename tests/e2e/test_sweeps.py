"""Many jobs in the browser: a batch file, its sweep, what failed of it again, bulk actions."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.test_pages import _violations


def test_batch_file_from_faults_to_results(
    site, page: Page, log_in: Callable, shot: Callable, tmp_path: Path
) -> None:
    """Faults with lines, mended in the page; each command before it runs; one sweep after."""
    log_in(page, site)
    page.goto(f"{site.url}/run/chatter")
    page.get_by_role("link", name="Run many jobs from a file").click()
    path = tmp_path / "words.csv"
    path.write_text("Lines,Word,name\n2,=1+2,first\n0,bad,second\n3,three,third\n")
    page.get_by_label("A CSV, TSV or JSON lines file").set_input_files(path)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 3, Lines")
    expect(page.get_by_role("button", name="Submit the 2 good rows, leave out 1")).to_be_visible()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        shot(page, f"{width}-batch-faults")
        assert not _violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1280, "height": 844})
    text = page.get_by_label("Or its rows, pasted")
    text.fill(text.input_value().replace("0,bad", "1,good"))
    page.get_by_label("What to call the sweep").fill("three words")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", name="3 jobs ready")).to_be_visible()
    expect(page.locator(".batch-rows")).to_contain_text("--word =1+2")
    shot(page, "1280-batch-ready")
    page.get_by_role("button", name="Submit 3 jobs").click()
    expect(page).to_have_url(re.compile(r"/jobs/sweeps/\d+$"))
    expect(page.get_by_role("heading", name="three words")).to_be_visible()
    expect(page.locator("#summary")).to_contain_text("3 of 3 ended", timeout=60_000)
    expect(page.locator(".job-list")).to_contain_text("second")
    page.goto(f"{site.url}/jobs")
    row = page.locator("tr.sweep-row", has_text="three words")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("3 done")
    row.get_by_role("link", name="Jobs of sweep").click()
    expect(page.get_by_role("heading", name="three words")).to_be_visible()


def test_failed_jobs_are_tried_again_after_a_look(
    site, page: Page, log_in: Callable, shot: Callable
) -> None:
    """The word for why, the plan, the same jobs again with the attempt before kept."""
    log_in(page, site)
    ana = site.client("ana")
    rows = b"How,name\nexit code,alpha\nexit code,beta\n"
    made = ana.submit_batch("fail on purpose", rows, name="failing")
    for id in made["jobIds"]:
        site.wait(ana, {"id": id})
    page.goto(f"{site.url}/jobs/sweeps/{made['sweepId']}")
    expect(page.locator("#summary")).to_contain_text("Program error 2")
    shot(page, "1280-sweep-failed")
    page.get_by_role("link", name="Retry 2 failed jobs").click()
    expect(page.get_by_role("heading", name="Try 2 jobs again")).to_be_visible()
    expect(page.locator("main table")).to_contain_text("Program error")
    shot(page, "1280-retry")
    page.get_by_role("button", name="Try 2 jobs again").click()
    expect(page.get_by_role("status").filter(has_text="2 jobs are tried again")).to_be_visible()
    for id in made["jobIds"]:
        assert site.wait(ana, {"id": id})["attempt"] == 2
    page.goto(f"{site.url}/jobs/{made['jobIds'][0]}?tab=timeline")
    expect(page.get_by_role("heading", name="Earlier attempts")).to_be_visible()
    expect(page.locator(".record-state")).to_contain_text("Attempt 2")
    shot(page, "1280-attempts")


def test_ticked_jobs_are_held_and_released(
    site, page: Page, log_in: Callable, shot: Callable
) -> None:
    """Bulk actions on jobs and sweeps; the list is good on a phone too."""
    log_in(page, site)
    ana = site.client("ana")
    slots = [ana.submit("chatter", options={"Lines": 500, "Pause": 1})[0] for _ in range(2)]
    for one in slots:
        site.wait(ana, one, "Executing")
    made = ana.submit_batch("chatter", b"Lines,Word\n1,a\n1,b\n1,c\n", name="waiting")
    (single,) = ana.submit("chatter", options={"Word": "single"})
    for id in (*made["jobIds"], single["id"]):
        site.wait(ana, {"id": id}, "Queued")
    page.goto(f"{site.url}/jobs?type=chatter&state=waiting")
    page.get_by_label(f"Tick sweep {made['sweepId']}").check()
    page.get_by_label(f"Tick job {single['id']}").check()
    expect(page.locator("#bulk-count")).to_have_text("2 ticked:")
    page.locator("#bulk-actions").get_by_role("button", name="Hold").click()
    expect(page.get_by_role("status").filter(has_text="4 jobs will not start")).to_be_visible()
    for id in (*made["jobIds"], single["id"]):
        site.wait(ana, {"id": id}, "Held")
    page.reload()
    row = page.locator(f"tr[data-key='s{made['sweepId']}']")
    expect(row).to_contain_text("On hold")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        shot(page, f"{width}-held")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{site.url}/jobs/{single['id']}/alter")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        shot(page, f"{width}-alter")
        assert not _violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{site.url}/jobs/sweeps/{made['sweepId']}")
    page.locator("#summary").get_by_role("button", name="Release").click()
    expect(page.get_by_role("status").filter(has_text="3 jobs may start")).to_be_visible()
    page.locator("#summary").get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel them").click()
    expect(page.locator("#summary")).to_contain_text("3 cancelled", timeout=30_000)
    ana.act("cancel", [single["id"], *(one["id"] for one in slots)])
    for one in (single, *slots):
        site.wait(ana, one)
