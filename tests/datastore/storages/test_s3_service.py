"""A data service over a bucket of a real S3 server."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime

import pytest
import requests

from datastore.app import scrub_of, tiers_of
from ijp.datastore import Selection
from ijp.errors import UnavailableError

pytestmark = pytest.mark.slow


def on_s3(settings) -> str:
    told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    return f'storage = "s3"\nstorage_settings = {{ {told} }}\n'


@pytest.fixture
def site(facility_site, s3_settings):
    return facility_site(more=on_s3(s3_settings) + "direct_downloads = true")


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


_ARCHIVE = """
[datastore.archive]
delay_seconds = 0
start_archiving_bytes = 1000
stop_archiving_bytes = 600
"""


def test_what_is_too_much_for_the_bucket_goes_to_the_archive(facility_site, s3_settings):
    site = facility_site(more=on_s3({**s3_settings, "prefix": "tidied/"}) + _ARCHIVE)
    tiers = tiers_of(site.settings_file, site.process.http)

    def work() -> None:
        while tiers.worker.work():
            pass

    stored = put(site, "a", bytes(900))
    work()
    assert tiers.tidier.run() == 0
    put(site, "b", bytes(200))
    work()
    assert tiers.tidier.run() == 1
    work()
    assert list(tiers.worker.mover.storage.kept()) == []
    assert tiers.checker.check_all() == []
    chosen = Selection(datafile_ids=[stored.id])
    site.datastore().restore(chosen)
    work()
    with site.datastore().get_data(chosen) as download:
        assert b"".join(download.blocks()) == bytes(900)
    scrubbed = scrub_of(site.settings_file, site.process.http).run(datetime.now(UTC))
    assert (scrubbed.good, scrubbed.faults) == (2, {})


def test_nothing_is_left_of_a_put_while_the_server_has_trouble(
    facility_site, s3_settings, troubled
):
    told = {**s3_settings, "endpoint_url": troubled.url, "prefix": "troubled/"}
    site = facility_site(more=on_s3(told))
    kept = put(site, "before", b"abc")
    troubled.failing = 1000
    with pytest.raises(UnavailableError):
        put(site, "a", b"abc")
    with (
        pytest.raises(UnavailableError),
        site.datastore().get_data(Selection(datafile_ids=[kept.id])),
    ):
        pass
    troubled.failing = 0
    storage = site.process.app("datastore").extensions["datastore"].sender._storage
    assert [one.location for one in storage.kept()] == [kept.location]
    assert site.catalog().search("SELECT df.name FROM Datafile df") == ["before"]
    put(site, "a", b"abc")
