"""nginx in front sends the files; the service says which, and to whom."""

from __future__ import annotations

import pytest
import requests

from bench import nginx
from ijp.datastore import DatastoreClient, Selection
from ijp.errors import NotAuthorizedError

pytestmark = pytest.mark.slow
CONTENT = bytes(range(256)) * 10_000


@pytest.fixture
def site(facility_site):
    return facility_site(more=f'accel_prefix = "{nginx.FILES}"')


@pytest.fixture
def fronted(site, serving, tmp_path):
    """The address of nginx, and that of the service behind it."""
    with (
        serving(site, "catalog", "datastore") as served,
        nginx.front(served.url, site.folder / "data", tmp_path / "nginx") as url,
    ):
        yield url, served.url


def test_nginx_sends_the_file(site, put, fronted):
    stored = put("in/a ü.nxs", CONTENT)
    headers = {"Authorization": f"Bearer {site.catalog().session_id}"}
    url = f"{fronted[0]}/ids/getData?datafileIds={stored.id}"
    answer = requests.get(url, headers=headers, timeout=20)
    assert answer.content == CONTENT
    assert answer.headers["Server"].startswith("nginx")
    assert "Last-Modified" in answer.headers  # nginx has read it from the disk
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"a _.nxs\"; filename*=UTF-8''a%20%C3%BC.nxs"
    )
    tag = {"If-Range": answer.headers["ETag"], "Range": "bytes=1000-"}
    part = requests.get(url, headers=headers | tag, timeout=20)
    assert (part.status_code, part.content) == (206, CONTENT[1000:])
    session = DatastoreClient(f"{fronted[0]}/ids").session(site.catalog().session_id)
    with session.get_data(Selection(datafile_ids=[stored.id]), start=7) as download:
        assert b"".join(download.blocks()) == CONTENT[7:]


def test_only_who_may_read_it_gets_it(site, put, fronted):
    stored = put("a", CONTENT)
    ben = DatastoreClient(f"{fronted[0]}/ids").session(site.catalog("ben").session_id)
    with pytest.raises(NotAuthorizedError):
        ben.get_data(Selection(datafile_ids=[stored.id]))
    direct = requests.get(f"{fronted[0]}{nginx.FILES}{stored.location}", timeout=20)
    assert direct.status_code == 404


def test_without_nginx_the_service_sends_it_itself(site, put, fronted):
    stored = put("a", CONTENT)
    session = DatastoreClient(f"{fronted[1]}/ids").session(site.catalog().session_id)
    with session.get_data(Selection(datafile_ids=[stored.id])) as download:
        assert b"".join(download.blocks()) == CONTENT


def test_zips_come_through(site, put, fronted):
    put("a", CONTENT)
    session = DatastoreClient(f"{fronted[0]}/ids").session(site.catalog().session_id)
    with session.get_data(Selection(dataset_ids=[site.dataset_ids[0]])) as download:
        assert sum(map(len, download.blocks())) == download.size
