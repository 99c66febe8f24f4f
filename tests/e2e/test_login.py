"""Logging in, and being logged out at the wrong moment."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect


def test_wrong_password_is_told_and_the_name_stays(site, page: Page) -> None:
    """Bad input: wrong credentials. req. 1: hidden fields are masked, Enter submits."""
    page.goto(f"{site.url}/login")
    expect(page.get_by_label("Username")).to_be_focused()
    page.get_by_label("Username").fill("ana")
    password = page.get_by_label("Password")
    expect(password).to_have_attribute("type", "password")
    password.fill("not this")
    password.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("That did not work")
    expect(page.get_by_label("Username")).to_have_value("ana")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_be_focused()
    assert "not this" not in site.log


def test_each_way_to_log_in_has_its_own_address(site, page: Page) -> None:
    """The authenticators are those of the catalog; which one is remembered."""
    page.goto(f"{site.url}/login")
    page.get_by_role("link", name="Facility account").click()
    expect(page).to_have_url(f"{site.url}/login?authenticator=db")
    expect(page.get_by_role("link", name="Facility account")).to_have_attribute(
        "aria-current", "page"
    )


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example/",
        "http:evil.example",
    ],
)
def test_next_never_leads_elsewhere(site, page: Page, target: str) -> None:
    """No open redirect."""
    session = requests.Session()
    form = session.get(f"{site.url}/login", params={"next": target}, timeout=20).text
    token = form.split('name="csrf_token" value="')[1].split('"')[0]
    fields = {
        "csrf_token": token,
        "authenticator": "simple",
        "next": target,
        "credential.username": "ana",
        "credential.password": site.password["ana"],
    }
    answer = session.post(f"{site.url}/login", data=fields, allow_redirects=False, timeout=20)
    session.close()
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"


def test_next_leads_where_the_user_wanted_to_go(site, page: Page) -> None:
    """A link from a colleague works through the log-in."""
    page.goto(f"{site.url}/jobs?state=failed&days=7")
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill(site.password["ana"])
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site.url}/jobs?state=failed&days=7")


def test_the_cookie_is_out_of_reach_of_scripts_and_holds_no_session(
    site, page: Page, log_in: Callable
) -> None:
    """security 15: HttpOnly, SameSite; the catalog session stays on the server."""
    log_in(page, site)
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "ijp_session"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    bearer = {"Authorization": f"Bearer {cookie['value']}"}
    answer = requests.get(f"{site.url}/api/v1/session", headers=bearer, timeout=20)
    assert answer.status_code == 401


def _end_session_elsewhere(page: Page) -> None:
    """Log out by another client that has the same cookies, so that the browser does not know."""
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    token = page.locator("meta[name=csrf-token]").get_attribute("content")
    address = urlsplit(page.url)
    done = requests.post(
        f"{address.scheme}://{address.netloc}/logout",
        data={"csrf_token": token},
        cookies=cookies,
        allow_redirects=False,
        timeout=20,
    )
    assert done.status_code == 303


def test_what_was_typed_survives_the_end_of_the_session(site, page: Page, log_in: Callable) -> None:
    """Bad input: expired session in the middle of a form; nothing typed is lost."""
    log_in(page, site)
    page.goto(f"{site.url}/run/chatter")
    page.get_by_label("Lines").fill("17")
    page.get_by_label("Word").fill("dear diary, 'quoted' & <kept>")
    before = site.client("ana").jobs(type="chatter")["jobs"]
    _end_session_elsewhere(page)
    page.get_by_role("button", name="Submit").last.click()

    expect(page.get_by_role("status").first).to_contain_text("What you typed is kept")
    page.get_by_label("Username").fill("ana")
    page.get_by_label("Password").fill(site.password["ana"])
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_label("Lines")).to_have_value("17")
    expect(page.get_by_label("Word")).to_have_value("dear diary, 'quoted' & <kept>")
    assert site.client("ana").jobs(type="chatter")["jobs"] == before
    page.get_by_role("button", name="Submit").last.click()
    page.wait_for_url("**/jobs/*")


def test_a_draft_is_for_its_user_only(site, page: Page, log_in: Callable) -> None:
    """Somebody else at the same browser does not get what the first one typed."""
    log_in(page, site, "ana")
    page.goto(f"{site.url}/run/chatter")
    page.get_by_label("Word").fill("for ana only")
    _end_session_elsewhere(page)
    page.get_by_role("button", name="Submit").last.click()
    page.get_by_label("Username").fill("ben")
    page.get_by_label("Password").fill(site.password["ben"])
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("main")).to_contain_text("belongs to another account")
    assert "for ana only" not in page.content()


def test_a_page_that_follows_says_when_the_session_has_ended(
    site, page: Page, log_in: Callable
) -> None:
    """The live parts stop with a word, not silently."""
    log_in(page, site)
    page.goto(f"{site.url}/jobs")
    _end_session_elsewhere(page)
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended", timeout=15_000)


def test_a_forged_form_is_refused(site, page: Page, log_in: Callable) -> None:
    """security 15: no unsafe call without its token, however valid the cookie."""
    log_in(page, site)
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    for path in ("/logout", "/run/date", "/jobs/1/cancel", "/upload", "/api/v1/jobs"):
        answer = requests.post(
            site.url + path, data={"a": "b"}, cookies=cookies, allow_redirects=False, timeout=20
        )
        assert answer.status_code == 400, path
    page.goto(f"{site.url}/jobs")
    expect(page.get_by_role("heading", name="My jobs")).to_be_visible()
