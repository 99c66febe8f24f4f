"""Every page: accessible, narrow enough, light enough, quiet, and readable without script."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Literal

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
MOST_BYTES = 150_000
PUBLIC = ["/login", "/login?next=/jobs", "/help"]
OWN = [
    "/find",
    "/find?type=image&p=width:le:600&sel={image}",
    "/find?p=width:le:x",
    "/find/files",
    "/find/files?item.Contents=PNG&p=datafile.fileSize:gt:1000&sel={image}&files={file}",
    "/find/files?p=datafile.fileSize:gt:x&dataset={image}",
    "/datasets/{image}",
    "/datasets/{image}/provenance",
    "/investigations",
    "/run/segment?sel={image}",
    "/run/date",
    "/run/chatter",
    "/jobs",
    "/jobs?state=failed",
    "/jobs?text=nothing+is+called+so",
    "/jobs/{good}",
    "/jobs/{good}?tab=errors",
    "/jobs/{good}?tab=files",
    "/jobs/{good}?tab=provenance",
    "/jobs/{good}?tab=timeline",
    "/jobs/{bad}",
    "/jobs/{again}?tab=timeline",
    "/jobs/{again}/alter",
    "/jobs/sweeps/{sweep}",
    "/jobs/sweeps/{sweep}?state=failed",
    "/jobs/sweeps/{sweep}?failure=program",
    "/jobs/retry?sweeps={sweep}",
    "/jobs?state=failed&failure=memory",
    "/batch/segment?sel={image}",
    "/batch/fail%20on%20purpose",
    "/upload",
    "/upload/{image}",
    "/nodes",
    "/nodes?by=load&down=true",
    "/help",
    "/api/docs",
    "/no/such/page",
    "/jobs/999999",
]
PAGES = {None: PUBLIC, "ana": OWN, "root": ["/admin", "/admin/alterations", "/jobs?everybody=true"]}
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (390, "dark"))
"""The widths and colour schemes; each pair of the other two has nothing of its own."""


@pytest.fixture(scope="module")
def known(site) -> dict[str, int]:
    """A dataset and jobs of every ending that ana can see."""
    ana = site.client("ana")
    (cell,) = [one for one in ana.datasets(type="image")["datasets"] if one["name"] == "cell"]
    good = ana.submit("chatter", options={"Lines": 40, "Word": "found"})[0]
    bad = ana.submit("fail on purpose", options={"How": "exit code"})[0]
    again = ana.submit("fail on purpose", options={"How": "exit code"})[0]
    rows = b"How\nexit code\nexit code\n"
    sweep = ana.submit_batch("fail on purpose", rows)
    for job in (good, bad, again, *({"id": id} for id in sweep["jobIds"])):
        site.wait(ana, job)
    site.wait(ana, ana.retry(again["id"]))
    file = ana.datafiles(cell["id"])[0]
    jobs = {"good": good["id"], "bad": bad["id"], "again": again["id"], "sweep": sweep["sweepId"]}
    return {"image": cell["id"], "file": file["id"], **jobs}


def _violations(page: Page) -> list[str]:
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url}: {one['id']}: {node['target']}: {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def _visit(page: Page, site, paths: list[str], known: dict[str, int], shot, mark: str) -> list[str]:
    """What is wrong with pages, each looked at in both widths and both colour schemes."""
    faults = []
    for number, path in enumerate(paths):
        page.goto(site.url + path.format(**known))
        page.wait_for_load_state("networkidle")
        name = path.strip("/").split("?")[0].replace("/", "-") or "first"
        name = f"{mark}-{number:02}-{name.replace('{', '').replace('}', '')}"
        for width, scheme in LOOKS:
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            shot(page, f"{width}-{scheme}-{name}")
            faults += [f"{width} {scheme}: {fault}" for fault in _violations(page)]
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if wide > 0:
                faults.append(f"{page.url}: {wide} pixels too wide for {width}")
    return faults


@pytest.mark.parametrize("user", [None, "ana", "root"])
def test_pages_have_no_accessibility_violation_nor_scroll_sideways(
    site, known, open_context: Callable, log_in: Callable, shot, user: str | None
) -> None:
    """WCAG 2.1 A and AA on every page, in light and dark, and 390 pixels are enough."""
    page = open_context().new_page()
    if user:
        log_in(page, site, user)
    faults = _visit(page, site, PAGES[user], known, shot, user or "public")
    assert not faults, "\n".join(faults)


def test_dark_is_dark(site, open_context: Callable) -> None:
    """The colours follow the system without a script."""
    brightness = {}
    for scheme in ("light", "dark"):
        page = open_context(color_scheme=scheme, java_script_enabled=False).new_page()
        page.goto(f"{site.url}/help")
        colour = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        numbers = [int(one) for one in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        brightness[scheme] = sum(numbers)
    assert brightness["light"] > 600
    assert brightness["dark"] < 150


def test_pages_are_light(site, known, open_context: Callable, log_in: Callable) -> None:
    """Each page under 150 kB compressed without images, everything it loads included."""
    heavy = []
    page = open_context().new_page()
    log_in(page, site, "ana")
    own = [path for path in OWN if path != "/api/docs"]
    for path in own:
        sizes: dict[str, int] = {}

        def add(response, sizes=sizes) -> None:
            if response.request.resource_type in ("document", "script", "stylesheet"):
                sizes[response.url] = response.request.sizes()["responseBodySize"]

        page.on("response", add)
        page.goto(site.url + path.format(**known))
        page.wait_for_load_state("networkidle")
        page.remove_listener("response", add)
        if sum(sizes.values()) > MOST_BYTES:
            heavy.append(f"{path}: {sizes}")
    assert not heavy, "\n".join(heavy)


def test_pages_can_be_read_and_used_without_script(
    site, known, open_context: Callable, log_in: Callable
) -> None:
    """No script is needed to read a page, to submit a job, or to see what it wrote."""
    page = open_context(java_script_enabled=False).new_page()
    log_in(page, site, "ana")
    page.goto(f"{site.url}/run/chatter")
    page.get_by_label("Word").fill("scriptless")
    page.get_by_role("button", name="Submit").last.click()
    job = int(page.url.rpartition("/")[2])
    site.wait(site.client("ana"), {"id": job})
    page.reload()
    expect(page.locator("#output")).to_contain_text("line 4 scriptless")
    expect(page.locator(".record-state")).to_contain_text("Done")
    page.goto(f"{site.url}/jobs")
    expect(page.locator("main table")).to_contain_text(f"#{job}")
    page.goto(f"{site.url}/datasets/{known['image']}")
    expect(page.locator("main")).to_contain_text("width")


def test_everything_is_answered_with_strict_headers(site, known) -> None:
    """security 15: no inline script, no framing, no sniffing, no referrer to others."""
    session = requests.Session()
    for path in ("/login", "/help", "/nothing", "/assets/x/ijp.css", "/api/v1/authenticators"):
        answer = session.get(site.url + path, timeout=20)
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy or "default-src 'none'" in policy, path
        assert "unsafe-inline" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin", path
        assert "Access-Control-Allow-Origin" not in answer.headers, path
    page = session.get(f"{site.url}/login", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert page.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(page.raw.read()).decode()
    assert "<script>" not in text
    assert "style=" not in text
    session.close()


def test_first_tab_skips_to_the_content(site, page: Page, log_in: Callable) -> None:
    """The whole way by keyboard: skip link, menu, log out."""
    log_in(page, site, "ana")
    page.goto(f"{site.url}/jobs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    menu = page.locator("details.menu > summary")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).not_to_be_visible()
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    expect(page.get_by_role("status").filter(has_text="logged out")).to_be_visible()
    page.goto(f"{site.url}/jobs")
    expect(page).to_have_url(f"{site.url}/login?next=%2Fjobs")
