"""A scientist's day in the browser: search, form, run, result, history."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Page, expect


def test_a_working_day(any_site, page: Page, open_context, log_in: Callable, shot) -> None:
    """req. 1 to 26, 39 to 51: from log-in to a derived dataset and its provenance."""
    site = any_site
    log_in(page, site, "ana")

    # by type and by a typed parameter (req. 8 and following)
    page.goto(f"{site.url}/find?type=image&p=width:le:600")
    rows = page.locator("main table").first.locator("tbody tr")
    expect(rows.filter(has_text="cell")).to_have_count(1)
    expect(rows.filter(has_text="ihc")).to_have_count(1)
    expect(rows.filter(has_text="galaxies")).to_have_count(0)

    # the selection says what can run on it
    rows.filter(has_text="cell").get_by_role("checkbox").check()
    offer = page.get_by_role("link", name=re.compile("^segment", re.IGNORECASE)).first
    expect(offer).to_be_visible()
    offer.click()
    page.wait_for_url("**/run/segment**")

    # the form follows the data: one channel, so no question which
    expect(page.get_by_label("Smoothing")).to_be_visible()
    expect(page.get_by_label("Channel", exact=True)).to_have_count(0)
    page.get_by_label("Smoothing").fill("2.5")
    page.get_by_label("Smoothing").press("Tab")
    expect(page.locator("main")).to_contain_text("--smooth")
    shot(page, "day-form")
    page.get_by_role("button", name="Submit").last.click()

    # live until it has ended
    page.wait_for_url(re.compile(r"/jobs/\d+"))
    job = urlsplit(page.url).path
    record = page.locator("#record")
    expect(record.locator(".record-state")).to_contain_text("Done", timeout=60_000)
    expect(page.locator("#output")).to_contain_text("objects")
    expect(record).to_contain_text("--smooth")
    shot(page, "day-job")

    # the result and its history
    result = record.get_by_role("link", name=re.compile("segmented"))
    address = result.get_attribute("href")
    result.click()
    page.wait_for_url("**/datasets/*")
    expect(page.locator("main")).to_contain_text("nObjects")
    page.goto(f"{site.url}{address}/provenance")
    main = page.locator("main")
    expect(main.get_by_role("link", name=re.compile("cell")).first).to_be_visible()
    expect(main).to_contain_text("segment")
    shot(page, "day-provenance")

    # somebody with other rights sees neither
    other = open_context().new_page()
    log_in(other, site, "ben")
    assert other.goto(f"{site.url}{address}").status == 404
    other.goto(f"{site.url}/find?type=image")
    expect(other.locator("main table").first).not_to_contain_text("cell")
    assert other.goto(f"{site.url}{job}").status == 404


def test_the_same_form_sent_twice_is_one_job(site, page: Page, log_in: Callable) -> None:
    """Bad input: the same form posted twice."""
    log_in(page, site, "ana")
    page.goto(f"{site.url}/run/date")
    form = page.locator("form#run")
    fields = form.evaluate("form => [...new FormData(form)]")
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    before = len(site.client("ana").jobs(type="date")["jobs"])
    for _ in range(2):
        answer = requests.post(
            f"{site.url}/run/date", data=fields, cookies=cookies, allow_redirects=False, timeout=20
        )
        assert answer.status_code == 303, answer.text
    assert len(site.client("ana").jobs(type="date")["jobs"]) == before + 1
