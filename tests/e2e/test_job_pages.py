"""The list of jobs, and a job's own page, while jobs run."""

from __future__ import annotations

import re
from collections.abc import Callable

import requests
from playwright.sync_api import Page, expect


def _submit(site, job_type: str, **options: object) -> int:
    return site.client("ana").submit(job_type, options=options)[0]["id"]


def test_output_is_followed_while_it_grows(site, page: Page, log_in: Callable) -> None:
    """req. 88 to 95: live output without a reload, up to the end."""
    log_in(page, site)
    job = _submit(site, "chatter", Lines=8, Pause=0.5)
    page.goto(f"{site.url}/jobs/{job}")
    output = page.locator("#output")
    expect(output).to_contain_text("line 1 hello", timeout=30_000)
    expect(page.locator(".record-state")).to_contain_text("Running")
    assert "line 7" not in output.inner_text()
    expect(output).to_contain_text("line 7 hello", timeout=30_000)
    expect(page.locator(".record-state")).to_contain_text("Done", timeout=30_000)
    expect(page.get_by_role("button", name="Delete")).to_be_visible()


def test_output_is_text_with_colours_and_nothing_else(site, page: Page, log_in: Callable) -> None:
    """security 16: neither HTML nor terminal escapes of a program do anything to the page."""
    log_in(page, site)
    job = _submit(site, "chatter")
    site.wait(site.client("ana"), {"id": job})
    page.goto(f"{site.url}/jobs/{job}")
    output = page.locator("#output")
    expect(output).to_contain_text("<img src=x onerror=")
    expect(output.locator("img, script")).to_have_count(0)
    expect(output.locator(".t-1.t-bold")).to_have_text("red and bold")
    text = output.inner_text()
    assert "\x1b" not in text
    assert "a title" not in text
    assert "100 %" in text
    assert "50 %" not in text
    assert "broken into" not in page.title()
    page.goto(f"{site.url}/jobs/{job}?tab=errors")
    expect(page.locator("#output")).to_contain_text("something on standard error")


def test_output_stays_where_the_reader_scrolled(site, page: Page, log_in: Callable) -> None:
    """The reader decides whether the end is followed."""
    log_in(page, site)
    job = _submit(site, "chatter", Lines=300, Pause=0.05)
    page.goto(f"{site.url}/jobs/{job}")
    output = page.locator("#output")
    expect(output).to_contain_text("line 60 ", timeout=30_000)
    output.evaluate("pre => pre.scrollTop = 0")
    expect(page.get_by_role("button", name="Follow the end")).to_be_visible()
    seen = output.inner_text().count("\n")
    page.wait_for_function(
        "seen => document.getElementById('output').innerText.split('\\n').length > seen + 20",
        arg=seen,
    )
    assert output.evaluate("pre => pre.scrollTop") == 0
    page.get_by_role("button", name="Follow the end").click()
    page.wait_for_function(
        "() => { const pre = document.getElementById('output');"
        " return pre.scrollHeight - pre.scrollTop - pre.clientHeight < 30; }"
    )
    site.client("ana").cancel(job)


def test_text_is_found_in_output(site, page: Page, log_in: Callable) -> None:
    """The find field counts, and goes from place to place."""
    log_in(page, site)
    job = _submit(site, "chatter", Lines=200, Word="needle")
    site.wait(site.client("ana"), {"id": job})
    page.goto(f"{site.url}/jobs/{job}")
    expect(page.locator("#output")).to_contain_text("line 199")
    find = page.get_by_label("Find in this output")
    find.fill("LINE 19")
    expect(page.locator("#find-count")).to_have_text("1 of 11")
    find.press("Enter")
    expect(page.locator("#find-count")).to_have_text("2 of 11")
    find.fill("no such words")
    expect(page.locator("#find-count")).to_have_text("0 found")


def test_a_large_output_is_shown_from_its_end(site, page: Page, log_in: Callable) -> None:
    """Bad input: a long output; the page stays light, the whole can be had."""
    log_in(page, site)
    job = _submit(site, "chatter", Lines=400_000)
    site.wait(site.client("ana"), {"id": job})
    page.goto(f"{site.url}/jobs/{job}")
    output = page.locator("#output")
    expect(output).to_contain_text("line 399999 hello")
    assert len(output.inner_text()) < 100_000
    page.get_by_role("button", name="Show what is before it").click()
    page.wait_for_function("() => document.getElementById('output').innerText.length > 200000")
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download whole").click()
    text = begun.value.path().read_text()
    assert "line 0 hello\n" in text
    assert text.endswith("line 399999 hello\n")


def test_cancel_asks_first_and_repeat_gives_the_filled_form(
    site, page: Page, log_in: Callable
) -> None:
    """req. 96 and following: cancel with a second look; repeat with the same options."""
    log_in(page, site)
    job = _submit(site, "chatter", Lines=500, Pause=1, Word="again")
    page.goto(f"{site.url}/jobs/{job}")
    expect(page.locator(".record-state")).to_contain_text("Running", timeout=30_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("What it has computed so far is lost")
    expect(question.get_by_role("button", name="Let it go on")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).not_to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".record-state")).to_contain_text("Cancelled", timeout=30_000)

    page.get_by_role("link", name="Repeat").click()
    expect(page.get_by_label("Word")).to_have_value("again")
    expect(page.get_by_label("Lines")).to_have_value("500")
    page.goto(f"{site.url}/jobs/{job}")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the job").click()
    expect(page).to_have_url(f"{site.url}/jobs")
    assert page.goto(f"{site.url}/jobs/{job}").status == 404


def test_rows_change_in_place(site, page: Page, log_in: Callable) -> None:
    """Calm without flicker: the row, its tick and the focus survive; 304 when nothing changed."""
    log_in(page, site)
    job = _submit(site, "chatter", Lines=6, Pause=1)
    answers: list[int] = []
    page.on("response", lambda one: answers.append(one.status) if "/jobs/rows" in one.url else None)
    page.goto(f"{site.url}/jobs?type=chatter")
    row = page.locator(f"tr[data-key='{job}']")
    expect(row).to_contain_text("Running", timeout=30_000)
    row.evaluate("row => { row.mine = 'same'; }")
    row.get_by_role("checkbox").check()
    expect(row).to_contain_text("Done", timeout=40_000)
    assert row.evaluate("row => row.mine") == "same"
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(row.get_by_role("checkbox")).to_be_focused()
    expect(page.locator("#bulk-count")).to_have_text("1 ticked:")
    assert 200 in answers


def test_unchanged_rows_are_not_sent_again(site, page: Page, log_in: Callable) -> None:
    """Conditional requests: the second answer has no body."""
    log_in(page, site)
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    address = f"{site.url}/jobs/rows?text=nothing+is+called+so"
    first = requests.get(address, cookies=cookies, timeout=20)
    again = requests.get(
        address, cookies=cookies, headers={"If-None-Match": first.headers["ETag"]}, timeout=20
    )
    assert (again.status_code, again.content) == (304, b"")


def test_several_jobs_are_deleted_at_once(site, page: Page, log_in: Callable) -> None:
    """Bulk actions do what goes, and say what does not."""
    log_in(page, site)
    ana = site.client("ana")
    ended = [_submit(site, "chatter", Word="bulk") for _ in range(2)]
    for job in ended:
        site.wait(ana, {"id": job})
    running = _submit(site, "chatter", Word="bulk", Lines=500, Pause=1)
    site.wait(ana, {"id": running}, "Executing")
    page.goto(f"{site.url}/jobs?type=chatter&days=1")
    for job in (*ended, running):
        page.get_by_label(f"Tick job {job}").check()
    page.locator("#bulk-actions").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page).to_have_url(re.compile("type=chatter&days=1"))
    expect(page.get_by_role("status").filter(has_text="2 jobs are deleted")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(f"job {running}")
    for job in ended:
        expect(page.locator(f"tr[data-key='{job}']")).to_have_count(0)
    ana.cancel(running)


def test_filters_are_in_the_address(site, page: Page, log_in: Callable) -> None:
    """The URL is the state: by state, type, time and text."""
    log_in(page, site)
    job = _submit(site, "fail on purpose", How="exit code")
    site.wait(site.client("ana"), {"id": job})
    page.goto(f"{site.url}/jobs")
    page.get_by_role("link", name="Failed", exact=True).click()
    expect(page).to_have_url(f"{site.url}/jobs?state=failed")
    page.get_by_label("Job type").select_option("fail on purpose")
    page.get_by_label("Words").fill("code")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"state=failed&text=code&type=fail"))
    expect(page.locator(f"tr[data-key='{job}']")).to_contain_text("ended with code 3")
    page.get_by_label("Words").fill("zzz")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main")).to_contain_text("No job is like that")


def test_other_users_jobs_are_for_admins(site, page: Page, open_context, log_in: Callable) -> None:
    """req. 100: foreign and missing jobs are not told apart; an admin sees everybody's."""
    job = _submit(site, "date")
    log_in(page, site, "ben")
    assert page.goto(f"{site.url}/jobs/{job}").status == 404
    foreign = page.locator("main").inner_text().replace(str(job), "N")
    assert page.goto(f"{site.url}/jobs/9999999").status == 404
    missing = page.locator("main").inner_text().replace("9999999", "N")
    number = re.compile(r"number \w+")
    assert number.sub("", foreign) == number.sub("", missing)
    assert page.goto(f"{site.url}/admin").status == 403
    root = open_context().new_page()
    log_in(root, site, "root")
    root.goto(f"{site.url}/jobs?everybody=true")
    expect(root.locator(f"tr[data-key='{job}']")).to_contain_text("simple/ana")
    root.goto(f"{site.url}/admin")
    expect(root.locator("main")).to_contain_text("takes jobs")
