"""Bringing files in by the browser, and taking data away."""

from __future__ import annotations

import io
import os
import re
import socket
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Page, expect

INVESTIGATION = "MIC-2026-1, Cells and vessels under the microscope"


def _new_dataset(page: Page, site, name: str) -> int:
    page.goto(f"{site.url}/upload")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Type").select_option("image")
    page.get_by_label("Investigation").select_option(label=INVESTIGATION)
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/upload/*")
    return int(page.url.rpartition("/")[2])


def test_files_arrive_with_progress_and_clashes_are_asked_about_once(
    site, page: Page, log_in: Callable, tmp_path: Path, shot
) -> None:
    """req. 40 and following: many files at once, into a dataset that is made on the way."""
    log_in(page, site)
    dataset = _new_dataset(page, site, "brought by hand")
    files = []
    for number in range(4):
        file = tmp_path / f"picture {number} ä.png"
        file.write_bytes(bytes([number]) * (200_000 + number))
        files.append(file)
    page.get_by_label(re.compile("Choose files")).set_input_files(files[:3])
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#summary")).to_have_text("3 arrived", timeout=30_000)
    page.get_by_label(re.compile("Choose files")).set_input_files(files)
    page.get_by_role("button", name="Upload", exact=True).click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("3 files are there already")
    shot(page, "upload-question")
    question.get_by_role("button", name="Upload only the others").click()
    expect(page.locator("#summary")).to_have_text("4 arrived", timeout=30_000)
    shot(page, "upload-done")
    there = site.client("ana").datafiles(dataset)
    assert sorted((one["name"], one["size"]) for one in there) == [
        (file.name, file.stat().st_size) for file in files
    ]
    page.get_by_role("button", name="All files are there").click()
    expect(page).to_have_url(f"{site.url}/datasets/{dataset}")
    expect(page.locator("main")).to_contain_text("picture 0 ä.png")

    # and out again, as a zip
    page.goto(f"{site.url}/help")
    with page.expect_download() as begun:
        page.evaluate(f"location.href = '/datasets/{dataset}/download'")
    assert begun.value.suggested_filename == "brought by hand.zip"
    with zipfile.ZipFile(begun.value.path()) as archive:
        sizes = sorted(one.file_size for one in archive.infolist() if not one.is_dir())
    assert sizes == [200_000, 200_001, 200_002, 200_003]


def test_an_upload_pauses_and_goes_on_after_a_reload(
    site, page: Page, log_in: Callable, tmp_path: Path, shot
) -> None:
    """The same file is chosen again; only the rest of it is sent."""
    log_in(page, site)
    dataset = _new_dataset(page, site, "in pieces")
    file = tmp_path / "large.png"
    content = os.urandom(40 << 20)
    file.write_bytes(content)
    pieces = re.compile(f"/upload/{dataset}/pieces/")
    sent: list[str] = []
    held = []

    def second_is_held(route, request) -> None:
        if request.method == "PATCH":
            sent.append(request.headers["upload-offset"])
            if len(sent) == 2:
                held.append(route)
                return
        route.continue_()

    page.route(pieces, second_is_held)
    page.get_by_label(re.compile("Choose files")).set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#files")).to_contain_text("16.0 MiB of 40.0 MiB", timeout=60_000)
    page.get_by_role("button", name="Pause large.png").click()
    expect(page.locator("#files")).to_contain_text("paused; what has arrived is kept")
    expect(page.locator("#summary")).to_have_text("0 arrived, 1 paused")
    shot(page, "upload-paused")
    assert site.client("ana").datafiles(dataset) == []
    page.unroute(pieces)
    page.reload()
    expect(page.locator("#unfinished")).to_contain_text("Not whole yet: large.png")
    offsets: list[str] = []
    page.on(
        "request",
        lambda one: one.method == "PATCH" and offsets.append(one.headers["upload-offset"]),
    )
    page.get_by_label(re.compile("Choose files")).set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#summary")).to_have_text("1 arrived", timeout=60_000)
    assert offsets[0] == str(16 << 20)
    (there,) = site.client("ana").datafiles(dataset)
    assert (there["name"], there["size"]) == ("large.png", 40 << 20)
    assert there["checksum"] == f"{zlib.crc32(content):x}"


def _session(page: Page) -> tuple[dict[str, str], dict[str, str]]:
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    token = page.locator("meta[name=csrf-token]").get_attribute("content") or ""
    return cookies, {"X-CSRFToken": token, "Accept": "application/json"}


def test_names_that_are_paths_are_refused(site, page: Page, log_in: Callable) -> None:
    """Bad input: a file name with two dots."""
    log_in(page, site)
    dataset = _new_dataset(page, site, "bad names")
    cookies, headers = _session(page)
    for name in ("..%2f..%2fetc%2fpasswd.png", "a%2f..%2fb.png", "a%5cb.png", "a%00b.png"):
        answer = requests.put(
            f"{site.url}/upload/{dataset}/files/{name}",
            data=b"x",
            cookies=cookies,
            headers=headers,
            timeout=20,
        )
        assert answer.status_code == 400, (name, answer.text)
    assert site.client("ana").datafiles(dataset) == []


def test_an_upload_cut_off_halfway_leaves_nothing(site, page: Page, log_in: Callable) -> None:
    """Bad input: an upload cut off halfway; the server goes on, and no half file is there."""
    log_in(page, site)
    dataset = _new_dataset(page, site, "cut off")
    cookies, headers = _session(page)
    host, port = urlsplit(site.url).hostname, urlsplit(site.url).port
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    lines = [
        f"PUT /upload/{dataset}/files/half.png HTTP/1.1",
        f"Host: {host}:{port}",
        f"Cookie: {cookie}",
        f"X-CSRFToken: {headers['X-CSRFToken']}",
        "Content-Length: 5000000",
        "",
        "",
    ]
    with socket.create_connection((host, port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"x" * 1_000_000)
    page.wait_for_timeout(1500)
    assert site.client("ana").datafiles(dataset) == []
    again = requests.put(
        f"{site.url}/upload/{dataset}/files/half.png",
        data=io.BytesIO(b"whole now"),
        cookies=cookies,
        headers=headers,
        timeout=20,
    )
    assert again.status_code == 201, again.text


def test_who_may_not_write_is_told_so(site, page: Page, log_in: Callable) -> None:
    """Another user's dataset id: not there, as far as one can tell."""
    ana = site.client("ana")
    (cell,) = [one for one in ana.datasets(type="image")["datasets"] if one["name"] == "cell"]
    log_in(page, site, "ben")
    assert page.goto(f"{site.url}/upload/{cell['id']}").status == 404
    cookies, headers = _session(page)
    answer = requests.put(
        f"{site.url}/upload/{cell['id']}/files/a.png",
        data=b"x",
        cookies=cookies,
        headers=headers,
        timeout=20,
    )
    assert answer.status_code == 404


def test_a_dataset_without_a_name_keeps_what_was_typed(site, page: Page, log_in: Callable) -> None:
    """The fault stands at its field; the rest stays filled."""
    log_in(page, site)
    page.goto(f"{site.url}/upload")
    page.get_by_label("Description").fill("kept words")
    page.get_by_label("Name").fill("   ")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("[data-field=name] .field-error")).to_contain_text("give it a name")
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Description")).to_have_value("kept words")
