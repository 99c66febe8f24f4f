"""The page of a download, as it changes by itself, wide and narrow."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import Engine, insert, update

from portal import settings
from portal.model import DownloadRow, Lease
from portal.moments import now
from servicekit import database
from tests.e2e.conftest import NARROW, WIDE


@pytest.fixture
def tables(site) -> Iterator[Engine]:
    """The portal's own."""
    url = settings.read(site.settings_file).database_url
    engine = database.engine_for(url, "portal")
    yield database.writing(engine)
    engine.dispose()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_download_shows_how_far_it_is_until_it_is_ready(
    site, tables, open_context: Callable, log_in: Callable, shot, width: int
) -> None:
    """Another process works on it: what that notes appears without a click."""
    page = open_context(viewport={"width": width, "height": 800}).new_page()
    log_in(page, site)
    id = str(uuid.uuid4())
    whole = {"user_name": "simple/ana", "dataset_ids": list(range(10**6, 10**6 + 5000))}
    row = {"id": id, "datafile_ids": [], "name": "datasets.zip", "state": "PREPARING", **whole}
    lease = {"holder": "elsewhere:1:0", "until": now() + timedelta(hours=1)}
    with tables.begin() as connection:
        connection.execute(insert(DownloadRow).values(**row, created_at=now()))
        connection.execute(insert(Lease).values(name=f"download {id}", **lease))
    page.goto(f"{site.url}/downloads/{id}")
    state = page.locator("#state")
    expect(state).to_contain_text("0 of 5,000")
    note(tables, id, looked=1250, files=61_234, bytes=345_678_901_234)
    expect(state).to_contain_text("1,250 of 5,000")
    expect(state).to_contain_text("61,234 files, 322 GiB")
    shot(page, f"download-preparing-{width}")
    assert not scrolls_sideways(page)
    note(tables, id, state="FAILED", reason="dataset 1000007 and 3 more: not there")
    expect(state.get_by_role("button", name="Try again")).to_be_visible()
    shot(page, f"download-failed-{width}")
    assert not scrolls_sideways(page)

    page.goto(f"{site.url}/find")
    page.locator(".hits tbody th a").first.click()
    page.get_by_role("button", name="Show a download URL").click()
    page.wait_for_url("**/downloads/*")
    expect(page.get_by_role("link", name="Download now")).to_be_visible()
    shot(page, f"download-ready-{width}")
    assert not scrolls_sideways(page)
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download now").click()
    assert begun.value.suggested_filename.endswith(".zip")


def note(tables: Engine, id: str, **values: object) -> None:
    with tables.begin() as connection:
        connection.execute(update(DownloadRow).where(DownloadRow.id == id).values(**values))


def scrolls_sideways(page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
