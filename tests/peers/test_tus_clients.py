"""Clients of the tus protocol that others wrote upload to our real server."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from ijp.catalog import CatalogClient
from ijp.datastore import DatastoreClient, Selection
from tests.peers import fetch

pytestmark = [
    pytest.mark.slow,
    # tuspy leaves the file open that it sends.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def site(facility_site):
    return facility_site()


@pytest.fixture
def big(tmp_path) -> Path:
    path = tmp_path / "big.nxs"
    path.write_bytes(os.urandom(5 << 20))
    return path


def logged_in(served, site):
    catalog = CatalogClient(f"{served.url}/icat")
    return catalog.login("simple", {"username": "ana", "password": site.passwords["ana"]})


def content_of(served, session, id: int) -> bytes:
    datastore = DatastoreClient(f"{served.url}/ids").session(session.session_id)
    with datastore.get_data(Selection(datafile_ids=[id])) as download:
        return b"".join(download.blocks())


def test_tuspy_goes_on_after_the_server_was_killed(site, serving, big):
    metadata = {
        "filename": "by tuspy.nxs",
        "datasetId": str(site.dataset_ids[0]),
        "datafileFormatId": str(site.datafile_format_id),
    }
    with serving(site, "catalog", "datastore") as served:
        session = logged_in(served, site)
        headers = {"Authorization": f"Bearer {session.session_id}"}
        client = TusClient(f"{served.url}/ids/tus", headers=headers)
        uploader = client.uploader(str(big), chunk_size=1 << 20, metadata=metadata)
        uploader.upload_chunk()
        uploader.upload_chunk()
        address = uploader.url.removeprefix(served.url)
        parent = int(Path(f"/proc/{served.pid}/stat").read_text().split()[3])
        os.kill(parent, signal.SIGKILL)
        os.kill(served.pid, signal.SIGKILL)
        with pytest.raises(TusCommunicationError):
            uploader.upload_chunk()
    with serving(site, "catalog", "datastore") as served:
        client = TusClient(f"{served.url}/ids/tus", headers=headers)
        uploader = client.uploader(str(big), chunk_size=1 << 20, url=served.url + address)
        assert uploader.offset == 2 << 20
        uploader.upload()
        told = requests.head(
            served.url + address, headers={"Tus-Resumable": "1.0.0", **headers}, timeout=20
        )
        id = int(told.headers["X-Datafile-Id"])
        assert content_of(served, session, id) == big.read_bytes()


def test_tus_js_client_is_stopped_and_goes_on(site, serving, big):
    with serving(site, "catalog", "datastore") as served:
        session = logged_in(served, site)
        command = [
            *fetch.node(),
            fetch.tus_js_client() / "upload.mjs",
            f"{served.url}/ids/tus",
            session.session_id,
            str(site.dataset_ids[0]),
            str(site.datafile_format_id),
            big,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        stopped, arrived = done.stdout.splitlines()
        assert stopped == f"stopped {1 << 20}"
        id = int(arrived.removeprefix("datafile "))
        assert content_of(served, session, id) == big.read_bytes()
        assert session.get("Datafile", id)["name"] == "by js.nxs"


def test_a_server_killed_amid_a_piece_keeps_what_arrived(site, serving, big):
    """One piece with all of the file, as browsers send it; bytes go on from where they ended."""
    with serving(site, "catalog", "datastore") as served:
        session = logged_in(served, site)
        headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {session.session_id}"}
        client = TusClient(f"{served.url}/ids/tus", headers=headers)
        metadata = {
            "name": "cut.nxs",
            "datasetId": str(site.dataset_ids[0]),
            "datafileFormatId": str(site.datafile_format_id),
        }
        url = client.uploader(str(big), metadata=metadata).create_url()
        content, arrived = big.read_bytes(), threading.Event()

        def slowly():
            yield content[: 3 << 20]
            arrived.wait(20)
            yield content[3 << 20 :]

        piece = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}

        def patch():
            with suppress(requests.ConnectionError):
                requests.patch(url, data=slowly(), headers=headers | piece, timeout=60)

        thread = threading.Thread(target=patch)
        thread.start()
        staged = site.folder / "uploads" / url.rpartition("/")[2]
        until = time.monotonic() + 20
        while staged.stat().st_size < 1 << 20 and time.monotonic() < until:
            time.sleep(0.02)
        parent = int(Path(f"/proc/{served.pid}/stat").read_text().split()[3])
        os.kill(parent, signal.SIGKILL)
        os.kill(served.pid, signal.SIGKILL)
        arrived.set()
        thread.join()
        address = url.removeprefix(served.url)
    with serving(site, "catalog", "datastore") as served:
        told = requests.head(served.url + address, headers=headers, timeout=20)
        offset = int(told.headers["Upload-Offset"])
        assert 1 << 20 <= offset <= 3 << 20
        piece["Upload-Offset"] = str(offset)
        last = requests.patch(
            served.url + address, data=content[offset:], headers=headers | piece, timeout=60
        )
        assert content_of(served, session, int(last.headers["X-Datafile-Id"])) == content
