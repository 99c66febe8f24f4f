"""The tus protocol: pieces arrive in any process, nothing acknowledged is lost."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import zlib
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import select, update

from datastore.model import FileDigest, ResumableUpload, UnsettledFile
from ijp.datastore import Selection
from ijp.errors import TooLargeError
from servicekit import database
from servicekit.embedded import Process

BASE = "http://datastore.embedded"
PIECE = "application/offset+octet-stream"


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Tus:
    """A client as bare as can be."""

    def __init__(self, site) -> None:
        self.site = site
        self.http = site.process.http

    def headers(self, user: str = "ana", **more: object) -> dict[str, str]:
        session = self.site.catalog(user).session_id
        named = {key.replace("_", "-"): str(value) for key, value in more.items()}
        return {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {session}", **named}

    def metadata(self, **changes: object) -> str:
        told = {
            "name": "a.nxs",
            "datasetId": self.site.dataset_ids[0],
            "datafileFormatId": self.site.datafile_format_id,
        } | changes
        return ",".join(f"{k} {encoded(str(v))}" for k, v in told.items() if v is not None)

    def create(self, length: object, user: str = "ana", body=None, **changes) -> requests.Response:
        headers = self.headers(user, Upload_Length=length, Upload_Metadata=self.metadata(**changes))
        if body is not None:
            headers["Content-Type"] = PIECE
        return self.http.post(f"{BASE}/ids/tus", headers=headers, data=body)

    def begin(self, length: int, **changes: object) -> str:
        answer = self.create(length, **changes)
        assert answer.status_code == 201, answer.text
        return BASE + answer.headers["Location"]

    def patch(self, url: str, offset: int, body, user="ana", **more) -> requests.Response:
        headers = self.headers(user, Upload_Offset=offset, Content_Type=PIECE) | more
        return self.http.patch(url, headers=headers, data=body)

    def head(self, url: str, user: str = "ana") -> requests.Response:
        return self.http.head(url, headers=self.headers(user))

    def offset(self, url: str) -> int:
        return int(self.head(url).headers["Upload-Offset"])


@pytest.fixture
def tus(site):
    return Tus(site)


@pytest.fixture
def rows(site):
    def rows(column):
        engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
        with engine.connect() as connection:
            found = list(connection.scalars(select(column)))
        engine.dispose()
        return found

    return rows


def content_of(site, datafile_id: object) -> bytes:
    with site.datastore().get_data(Selection(datafile_ids=[int(datafile_id)])) as download:
        return b"".join(download.blocks())


def test_what_the_server_can_do_is_told_to_everybody(tus):
    answer = tus.http.options(f"{BASE}/ids/tus")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == (
        "creation,creation-with-upload,expiration,checksum,termination"
    )
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,crc32"


def test_pieces_become_a_registered_file(site, tus, rows):
    url = tus.begin(10, description="ä", datafileModTime=1_600_000_000_000)
    assert tus.head(url).headers["Upload-Length"] == "10"
    first = tus.patch(url, 0, b"01234")
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "5")
    assert "Upload-Expires" in first.headers
    assert site.catalog().search("SELECT df.id FROM Datafile df") == []
    last = tus.patch(url, 5, b"56789")
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, "10")
    record = site.catalog().get("Datafile", int(last.headers["X-Datafile-Id"]))
    assert record["name"] == "a.nxs"
    assert record["createId"] == "simple/ana"
    assert record["description"] == "ä"
    assert record["fileSize"] == 10
    assert record["checksum"] == f"{zlib.crc32(b'0123456789'):x}"
    assert content_of(site, record["id"]) == b"0123456789"
    assert rows(FileDigest.sha256) == [hashlib.sha256(b"0123456789").hexdigest()]
    assert rows(UnsettledFile.location) == []
    assert list((site.folder / "uploads").iterdir()) == []


def test_the_first_piece_may_come_with_the_creation(site, tus):
    answer = tus.create(3, body=b"abc")
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "3")
    assert content_of(site, answer.headers["X-Datafile-Id"]) == b"abc"


def test_an_empty_file_is_whole_at_once(site, tus):
    assert content_of(site, tus.create(0).headers["X-Datafile-Id"]) == b""


def test_the_name_may_be_that_of_the_browser(site, tus):
    answer = tus.create(0, name=None, filename="in/b.nxs")
    assert site.catalog().get("Datafile", int(answer.headers["X-Datafile-Id"]))["name"] == (
        "in/b.nxs"
    )


def test_another_process_goes_on(site, tus):
    """Nothing of the state is in memory, checksums neither."""
    content = bytes(range(256)) * 10_000
    sha256 = hashlib.sha256(content).hexdigest()
    url = tus.begin(len(content), sha256=sha256, crc32=f"{zlib.crc32(content):x}")
    tus.patch(url, 0, content[:1_500_000])
    tus.http = Process(site.settings_file).http
    assert tus.offset(url) == 1_500_000
    last = tus.patch(url, 1_500_000, content[1_500_000:])
    assert last.status_code == 204, last.text


def test_what_arrived_before_a_piece_broke_off_is_kept(tus):
    url = tus.begin((1 << 20) + 3)

    def broken():
        yield bytes(1 << 20)
        raise ConnectionResetError("gone")

    assert tus.patch(url, 0, broken()).status_code == 400
    assert tus.offset(url) == 1 << 20
    assert tus.patch(url, 1 << 20, b"abc").status_code == 204


def test_after_a_piece_broke_off_what_has_arrived_is_not_read_again(site, tus, monkeypatch):
    content = bytes(range(251)) * 5000
    url = tus.begin(len(content))

    def broken():
        yield content[: 1 << 20]
        raise ConnectionResetError("gone")

    assert tus.patch(url, 0, broken()).status_code == 400
    monkeypatch.delattr("datastore.digests.read")
    last = tus.patch(url, 1 << 20, content[1 << 20 :])
    assert last.headers["X-Checksum-CRC32"] == f"{zlib.crc32(content):08x}"


def test_a_piece_at_another_offset_is_refused(tus):
    url = tus.begin(10)
    tus.patch(url, 0, b"01234")
    assert tus.patch(url, 4, b"456789").status_code == 409
    assert tus.offset(url) == 5


def test_a_piece_beyond_the_end_is_refused(tus, site):
    url = tus.begin(4)
    assert tus.patch(url, 0, b"01234").status_code == 400
    assert tus.offset(url) == 0
    assert site.catalog().search("SELECT df.id FROM Datafile df") == []


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha1", hashlib.sha1(b"01234").digest()),
        ("sha256", hashlib.sha256(b"01234").digest()),
        ("crc32", zlib.crc32(b"01234").to_bytes(4, "big")),
    ],
)
def test_a_piece_with_its_checksum(tus, algorithm, digest):
    url = tus.begin(10)
    header = {"Upload-Checksum": f"{algorithm} {encoded(digest)}"}
    assert tus.patch(url, 0, b"012x4", **header).status_code == 460
    assert tus.offset(url) == 0
    assert tus.patch(url, 0, b"01234", **header).status_code == 204
    assert tus.offset(url) == 5


def test_of_a_piece_with_a_checksum_half_is_not_kept(tus, rows):
    url = tus.begin((1 << 20) + 3)

    def broken():
        yield bytes(1 << 20)
        raise ConnectionResetError("gone")

    header = {"Upload-Checksum": f"sha1 {encoded(bytes(20))}"}
    assert tus.patch(url, 0, broken(), **header).status_code == 400
    assert tus.offset(url) == 0
    assert rows(ResumableUpload.checked_from) == [None]


def test_a_piece_that_was_never_verified_does_not_count(site, tus):
    """The process was killed while the piece arrived."""
    url = tus.begin(10)
    tus.patch(url, 0, b"01")
    with (site.folder / "uploads" / url.rpartition("/")[2]).open("ab") as file:
        file.write(b"xxx")
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    with database.writing(engine).begin() as connection:
        connection.execute(update(ResumableUpload).values(checked_from=2))
    engine.dispose()
    assert tus.offset(url) == 2
    assert tus.patch(url, 2, b"23456789").headers["Upload-Offset"] == "10"


@pytest.mark.parametrize("text", ["md5 AAAA", "sha1 !!", "sha1"])
def test_a_checksum_that_cannot_be_read(tus, text):
    url = tus.begin(10)
    answer = tus.patch(url, 0, b"01234", **{"Upload-Checksum": text})
    assert answer.status_code in (400, 460)
    assert tus.offset(url) == 0


def test_a_content_that_is_not_what_was_told_is_not_kept(site, tus):
    url = tus.begin(3, sha256="0" * 64)
    answer = tus.patch(url, 0, b"abc")
    assert answer.status_code == 400
    assert "SHA-256" in answer.json()["message"]
    assert tus.head(url).status_code == 404
    assert site.stored_files() == []
    assert list((site.folder / "uploads").iterdir()) == []


def test_an_upload_is_of_its_user_alone(tus):
    url = tus.begin(10)
    assert tus.head(url, "ben").status_code == 404
    assert tus.patch(url, 0, b"01234", user="ben").status_code == 404
    assert tus.http.delete(url, headers=tus.headers("ben")).status_code == 404
    assert tus.offset(url) == 0


def test_an_upload_can_be_given_up(site, tus):
    url = tus.begin(10)
    tus.patch(url, 0, b"01234")
    assert tus.http.delete(url, headers=tus.headers()).status_code == 204
    assert tus.head(url).status_code == 404
    assert list((site.folder / "uploads").iterdir()) == []


def test_two_requests_at_once_do_not_mix(site, tus):
    url = tus.begin(10)
    with (site.folder / "uploads" / url.rpartition("/")[2]).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert tus.patch(url, 0, b"01234").status_code == 423
    assert tus.patch(url, 0, b"01234").status_code == 204


def test_an_upload_expires(site, tus, rows):
    url = tus.begin(10)
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    with database.writing(engine).begin() as connection:
        gone = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(ResumableUpload).values(expires=gone))
    engine.dispose()
    assert tus.head(url).status_code == 404
    uploads = site.process.app("datastore").extensions["tus"].uploads
    assert uploads.remove_expired() == 1
    assert list((site.folder / "uploads").iterdir()) == []
    assert rows(ResumableUpload.id) == []


@pytest.mark.parametrize("reached", ["uploaded", "moved", "registered"])
def test_a_process_that_dies_before_the_answer(site, tus, rows, monkeypatch, reached):
    """The next HEAD registers what has arrived, once."""
    depot = site.process.app("datastore").extensions["tus"].uploads._depot
    url = tus.begin(3)

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if reached == "uploaded":
            patched.setattr(depot, "take_in", dies)
        elif reached == "moved":
            patched.setattr(depot, "_register", dies)
        else:
            patched.setattr(depot._unsettled, "stored", dies)
        with pytest.raises(KeyboardInterrupt):
            tus.patch(url, 0, b"abc")
    answer = tus.head(url)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "3")
    assert content_of(site, answer.headers["X-Datafile-Id"]) == b"abc"
    assert len(site.catalog().search("SELECT df.id FROM Datafile df")) == 1
    assert tus.head(url).headers["X-Datafile-Id"] == answer.headers["X-Datafile-Id"]
    assert rows(UnsettledFile.location) == []


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"name": None}, 400, "name parameter must be set"),
        ({"name": "../x"}, 400, "Illegal filename"),
        ({"datasetId": "x"}, 400, "must be numeric"),
        ({"datasetId": 987654}, 404, "987654"),
        ({"datafileFormatId": 987654}, 404, "987654"),
        ({"sessionId": "x"}, 400, "belongs into the header"),
        ({"sha256": "x"}, 400, "64 hexadecimal digits"),
    ],
)
def test_what_is_wrong_is_refused_before_bytes_are_sent(site, tus, changes, status, message):
    answer = tus.create(10, **changes)
    assert (answer.status_code, message in answer.json()["message"]) == (status, True)
    assert not (site.folder / "uploads").exists()


@pytest.mark.parametrize("length", ["", "-1", "x", "9" * 30, "1.5"])
def test_a_length_that_is_none(tus, length):
    assert tus.create(length).status_code == 400


def test_a_name_that_is_taken_is_refused_before_bytes_are_sent(tus, put):
    put("a.nxs", b"abc")
    answer = tus.create(10)
    assert answer.status_code == 422
    assert answer.headers["X-Error-Code"] == "conflict"


def test_a_name_that_is_taken_meanwhile(site, tus, put):
    url = tus.begin(3)
    put("a.nxs", b"first")
    answer = tus.patch(url, 0, b"abc")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "conflict")
    assert tus.head(url).status_code == 404
    assert [path.read_bytes() for path in site.stored_files()] == [b"first"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Authorization": ""}, 403),
        ({"Authorization": "Bearer x"}, 400),
        ({"Authorization": "Bearer 00000000-0000-0000-0000-000000000000"}, 403),
    ],
)
def test_requests_without_version_or_session(tus, headers, status):
    url = tus.begin(10)
    answer = tus.http.head(url, headers=tus.headers() | headers)
    assert answer.status_code == status
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert ("Tus-Version" in answer.headers) == (status == 412)


def test_a_piece_of_another_type(tus):
    headers = tus.headers(Upload_Offset=0, Content_Type="text/plain")
    assert tus.http.patch(tus.begin(10), headers=headers, data=b"x").status_code == 415


def test_a_client_that_has_only_post(tus):
    url = tus.begin(10)
    headers = tus.headers(Upload_Offset=0, Content_Type=PIECE, X_HTTP_Method_Override="PATCH")
    assert tus.http.post(url, headers=headers, data=io.BytesIO(b"0123")).status_code == 204
    assert tus.offset(url) == 4


def test_metadata_that_cannot_be_read(tus):
    for header in ("name !!", "a YQ==,a YQ==", ",", "name /w=="):
        headers = tus.headers(Upload_Length=1, Upload_Metadata=header)
        assert tus.http.post(f"{BASE}/ids/tus", headers=headers).status_code == 400


class TestQuota:
    """Bounds for an investigation and a user."""

    @pytest.fixture
    def site(self, facility_site):
        return facility_site(more="quota = { investigation_bytes = 1000, user_bytes = 1500 }")

    def test_more_than_there_may_be_is_refused_before_bytes_are_sent(self, tus, put):
        put("first", bytes(600))
        answer = tus.create(401)
        assert answer.status_code == 507
        assert answer.json()["message"].startswith("investigation ")
        assert "may have 1000 bytes; 400 bytes are left, this needs 401" in answer.text
        assert tus.create(400).status_code == 201

    def test_uploads_that_are_under_way_count(self, tus):
        tus.begin(600)
        assert tus.create(401, name="b").status_code == 507

    def test_a_put_without_a_length_ends_at_the_bound(self, site, put):
        with pytest.raises(TooLargeError, match="may have 1000 bytes"):
            put("a", bytes(1001))
        assert site.stored_files() == []
        put("a", bytes(1000))
