"""A data service over a bucket of a real S3 server."""

from __future__ import annotations

import json
import os
import zipfile

import pytest
import requests

from ijp.datastore import Selection

pytestmark = pytest.mark.slow


@pytest.fixture
def site(facility_site, s3_settings):
    told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in s3_settings.items())
    return facility_site(
        more=f'storage = "s3"\nstorage_settings = {{ {told} }}\ndirect_downloads = true'
    )


def put(site, name: str, content: bytes):
    return site.datastore().put(
        [content],
        name=name,
        dataset_id=site.dataset_ids[0],
        datafile_format_id=site.datafile_format_id,
    )


def test_a_file_goes_in_and_out(site, tmp_path):
    content = os.urandom(9 << 20)
    stored = put(site, "a", content)
    put(site, "b", b"second")
    assert site.stored_files() == []
    chosen = Selection(datafile_ids=[stored.id])
    with site.datastore().get_data(chosen, start=1000) as download:
        assert b"".join(download.blocks()) == content[1000:]
    with site.datastore().get_data(Selection(dataset_ids=[site.dataset_ids[0]])) as download:
        download.save(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(map(len, map(archive.read, archive.namelist()))) == [6, 9 << 20]
    site.datastore().delete(chosen)
    assert site.datastore().datafile_ids(Selection(dataset_ids=[site.dataset_ids[0]])) != []


def test_the_bytes_do_not_pass_the_service(site):
    stored = put(site, "a ü", b"0123456789")
    url = f"http://datastore.embedded/ids/getData?datafileIds={stored.id}"
    headers = {"Authorization": f"Bearer {site.catalog().session_id}"}
    answer = site.process.http.get(url, headers=headers, allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    direct = requests.get(answer.headers["Location"], timeout=20)
    assert direct.content == b"0123456789"
    assert "a%20%C3%BC" in direct.headers["Content-Disposition"]
    assert site.catalog().session_id not in answer.headers["Location"]
