"""Many small files in one call: all or none."""

from __future__ import annotations

import io
import tarfile
import zlib
from datetime import UTC, datetime

import pytest

from ijp.datastore import Selection
from tests.datastore.test_put import unsettled_of

URL = "http://datastore.embedded/ids/putMany"


def tar_of(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.type = len(content), 1_600_000_000, kind
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.fixture
def put_many(site):
    def put_many(body: bytes, user: str = "ana", **changes):
        params = {
            "datasetId": site.dataset_ids[0],
            "datafileFormatId": site.datafile_format_id,
        } | changes
        headers = {"Authorization": f"Bearer {site.catalog(user).session_id}"}
        return site.process.http.put(URL, params=params, data=body, headers=headers)

    return put_many


@pytest.fixture
def nothing_left(site):
    def check() -> None:
        assert site.stored_files() == []
        assert site.catalog("root").search("SELECT df.name FROM Datafile df") == []
        assert unsettled_of(site) == []

    return check


def test_all_are_stored_and_registered(site, put_many):
    files = {f"in/{number}.nxs": b"%d" % number * number for number in range(70)}
    answer = put_many(tar_of(files))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert [one["checksum"] for one in told] == [zlib.crc32(one) for one in files.values()]
    assert len(site.stored_files()) == 70
    assert unsettled_of(site) == []
    record = site.catalog().get("Datafile", told[3]["id"])
    assert (record["name"], record["fileSize"]) == ("in/3.nxs", 3)
    moment = datetime.fromtimestamp(1_600_000_000, UTC)
    assert record["datafileModTime"].startswith(moment.strftime("%Y-%m-%dT%H:%M:%S"))
    with site.datastore().get_data(Selection(datafile_ids=[told[69]["id"]])) as download:
        assert b"".join(download.blocks()) == files["in/69.nxs"]


def test_none_are_no_error(put_many):
    assert put_many(tar_of({})).json() == []


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"x" * 600, 400, "no tar archive"),
        (tar_of({"a": bytes(2000)})[:1000], 400, "cut off"),
        (tar_of({"a": b"abc", "../b": b"x"}), 400, "Illegal filename"),
        (tar_of({"a": b"abc", "b": b""}, tarfile.SYMTYPE), 400, "no plain file"),
        (tar_of({"a": bytes((16 << 20) + 1)}), 507, "too large"),
    ],
    ids=["no tar", "cut off", "names", "links", "large"],
)
def test_one_that_is_refused_refuses_all(put_many, nothing_left, body, status, message):
    answer = put_many(body)
    assert (answer.status_code, message in answer.json()["message"]) == (status, True)
    nothing_left()


def test_a_name_that_is_there_refuses_all(site, put, put_many):
    put("b", b"first")
    answer = put_many(tar_of({"a": b"x", "b": b"y"}))
    assert answer.headers["X-Error-Code"] == "conflict"
    assert [path.read_bytes() for path in site.stored_files()] == [b"first"]
    assert unsettled_of(site) == []


def test_another_users_dataset(put_many, nothing_left):
    assert put_many(tar_of({"a": b"x"}), user="ben").status_code in (403, 404)
    nothing_left()


def test_a_format_that_is_not_there(put_many, nothing_left):
    assert put_many(tar_of({"a": b"x"}), datafileFormatId=987654).status_code == 404
    nothing_left()


class TestKey:
    """Locations are signed one by one."""

    @pytest.fixture
    def site(self, facility_site):
        made = facility_site(more='location_key_file = "secrets/location_key"')
        (made.folder / "secrets" / "location_key").write_text("a long secret\n")
        return made

    def test_all_can_be_loaded(self, site, put_many):
        told = put_many(tar_of({"a": b"first", "b": b"second"})).json()
        with site.datastore().get_data(Selection(datafile_ids=[told[1]["id"]])) as download:
            assert b"".join(download.blocks()) == b"second"
