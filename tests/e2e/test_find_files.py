"""Single files in the browser: found by a list and a parameter, ticked, and worked on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from ijp.catalog import CatalogClient


@pytest.fixture
def exposures(site) -> Iterator[dict[str, float]]:
    """A parameter of datafiles, with values for the pictures that were loaded."""
    account = {"username": "root", "password": site.password["root"]}
    root = CatalogClient(f"{site.url}/icat").login("simple", account)
    kind = root.create(
        "ParameterType",
        name="exposure",
        units="s",
        valueType="NUMERIC",
        applicableToDatafile=True,
        facility={"id": root.search("SELECT f.id FROM Facility f")[0]},
    )
    given = {"cell.png": 0.5, "ihc.png": 2.0, "coins.png": 4.0, "brick.png": 8.0}
    for name, seconds in given.items():
        (file,) = root.search(f"SELECT f.id FROM Datafile f WHERE f.name = '{name}'")
        root.create(
            "DatafileParameter", type={"id": kind}, datafile={"id": file}, numericValue=seconds
        )
    yield given
    root.delete("ParameterType", [kind])


def _open_with_exposure(page: Page, url: str) -> None:
    """Open the page for files, as soon as the portal has asked again what there is."""
    until = time.monotonic() + 40
    page.goto(url)
    page.get_by_role("navigation", name="What to find").get_by_text("Datafiles").click()
    page.wait_for_url("**/find/files")
    while not page.locator("#f-add option[value=exposure]").count():
        assert time.monotonic() < until, "the parameter type is not offered"
        time.sleep(1)
        page.reload()


def test_files_found_by_a_list_and_a_parameter_are_worked_on(
    site, exposures, page: Page, log_in: Callable, shot
) -> None:
    """req. 95, 96, 97, 102: for datafiles as for datasets."""
    log_in(page, site)
    _open_with_exposure(page, f"{site.url}/find")

    page.get_by_label("Contents").select_option("PNG")
    page.locator("#f-add").select_option("exposure")
    page.get_by_label("How to compare exposure").select_option("ge")
    page.get_by_role("textbox", name="exposure", exact=True).fill("2")
    page.get_by_role("button", name="Search", exact=True).last.click()
    page.wait_for_url("**/find/files?item.Contents=PNG&p=exposure:ge:2")
    names = page.locator("table.hits tbody th > a")
    expect(names).to_have_count(3)
    assert set(names.all_inner_texts()) == {"ihc.png", "coins.png", "brick.png"}
    page.get_by_role("link", name="exposure").click()
    page.wait_for_url("**sort=-exposure")
    expect(names).to_have_text(["brick.png", "coins.png", "ihc.png"])

    page.get_by_label("Select brick.png of brick").check()
    page.get_by_label("Select coins.png of coins").check()
    panel = page.locator("#actions")
    expect(panel).to_contain_text("2 selected")
    expect(panel).to_contain_text("coins.png of coins")
    assert re.search(r"[?&]files=\d+,\d+", page.url)
    panel.get_by_label("Take brick.png of brick out").click()
    expect(panel).to_contain_text("1 selected")
    expect(page.get_by_label("Select brick.png of brick")).not_to_be_checked()
    page.get_by_label("Select brick.png of brick").check()
    expect(panel).to_contain_text("2 selected")
    shot(page, "files-selected")

    page.get_by_label("All about coins.png").click()
    others = page.locator("#detail").get_by_role("link", name="All files of it")
    expect(others).to_have_attribute("href", re.compile(r"dataset=\d+&files=\d+,\d+$"))

    # the selection goes along to the datasets and back
    page.get_by_role("navigation", name="What to find").get_by_text("Datasets").click()
    page.wait_for_url(re.compile(r"/find\?files="))
    expect(panel).to_contain_text("2 selected")
    page.go_back()

    panel.get_by_role("link", name="montage").click()
    page.wait_for_url("**/run/montage?files=*")
    expect(page.locator("#command")).to_contain_text("--datafileIds=")
    page.get_by_role("button", name="Submit").last.click()
    page.wait_for_url(re.compile(r"/jobs/\d+"))
    expect(page.locator(".record-state")).to_contain_text("Done", timeout=60_000)
    expect(page.locator("#output")).to_contain_text("2 pictures on a sheet")
