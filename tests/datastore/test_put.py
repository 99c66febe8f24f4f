"""Storing files: whole, registered and durable, or not at all."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pytest
import requests
from sqlalchemy import select

from datastore.model import UnsettledFile
from ijp.datastore import Selection
from ijp.errors import (
    BadRequestError,
    ConflictError,
    InternalError,
    NotAuthorizedError,
    NotFoundError,
    NotImplementedHereError,
    PortalError,
    TooLargeError,
)
from servicekit import database


def unsettled_of(site) -> list[str]:
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    with engine.connect() as connection:
        found = list(connection.scalars(select(UnsettledFile.location)))
    engine.dispose()
    return found


@pytest.fixture
def nothing_left(site):
    """Nothing in the storage, in the catalog and in the notes."""

    def check() -> None:
        assert site.stored_files() == []
        assert list((site.folder / "data").iterdir()) == []
        assert site.catalog("root").search("SELECT df.name FROM Datafile df") == []
        assert unsettled_of(site) == []

    return check


def test_a_file_is_stored_and_registered_in_one_call(site, put):
    """req. 14, 15, 30: location, size and checksum are in the catalog, the bytes are not."""
    content = b"0123456789" * 1000
    made = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    stored = put("raw/a b.nxs", content, description="ä", doi="10.1/2", mod_time=made)
    assert (stored.size, stored.checksum) == (10_000, zlib.crc32(content))
    record = site.catalog().get("Datafile INCLUDE DatafileFormat, Dataset", stored.id)
    wanted = {
        "name": "raw/a b.nxs",
        "description": "ä",
        "doi": "10.1/2",
        "fileSize": 10_000,
        "checksum": f"{zlib.crc32(content):x}",
        "location": stored.location,
        "createId": "simple/ana",
        "datafileModTime": "2026-01-02T03:04:05.678Z",
    }
    assert {key: record[key] for key in wanted} == wanted
    assert record["dataset"]["id"] == site.dataset_ids[0]
    assert record["datafileFormat"]["id"] == site.datafile_format_id
    assert [path.read_bytes() for path in site.stored_files()] == [content]
    assert unsettled_of(site) == []


def test_the_checksum_has_no_leading_zeros(site, put):
    """ids-api §6: lower-case hexadecimal without leading zeros."""
    content = next(b"%d" % n for n in range(10**6) if zlib.crc32(b"%d" % n) < 1 << 24)
    stored = put("a", content)
    assert site.catalog().get("Datafile", stored.id)["checksum"] == f"{zlib.crc32(content):x}"
    assert len(f"{zlib.crc32(content):x}") < 7


def test_an_empty_file_is_stored(site, put):
    stored = put("empty", b"")
    assert (stored.size, stored.checksum) == (0, 0)
    with site.datastore().get_data(Selection(datafile_ids=[stored.id])) as download:
        assert b"".join(download.blocks()) == b""


def test_without_the_right_to_create_nothing_is_stored(site, put, nothing_left):
    """req. 16: a user who can read a dataset but not write in it."""
    root = site.catalog("root")
    for what in ("Investigation", "Dataset"):
        root.create("Rule", what=what, crudFlags="R")
    with pytest.raises(NotAuthorizedError):
        put("a", b"abc", user="ben", dataset_id=site.dataset_ids[0])
    nothing_left()


def test_another_users_dataset_is_not_written_in(site, put, nothing_left):
    """Bad input: another user's dataset id."""
    with pytest.raises((NotAuthorizedError, NotFoundError)):
        put("a", b"abc", user="ben", dataset_id=site.dataset_ids[0])
    nothing_left()


def test_a_dataset_that_is_not_there(put, nothing_left):
    with pytest.raises(NotFoundError):
        put("a", b"abc", dataset_id=987654)
    nothing_left()


def test_a_format_that_is_not_there(site, nothing_left):
    with pytest.raises(NotFoundError):
        site.datastore().put(
            [b"abc"], name="a", dataset_id=site.dataset_ids[0], datafile_format_id=987654
        )
    nothing_left()


def test_the_session_of_nobody(site, nothing_left):
    session = site.login()
    datastore = site.datastore().datastore.session(session.session_id)
    session.logout()
    with pytest.raises(PortalError) as refused:
        datastore.put(
            [b"abc"],
            name="a",
            dataset_id=site.dataset_ids[0],
            datafile_format_id=site.datafile_format_id,
        )
    assert refused.value.code == "not-authenticated"
    nothing_left()


def test_a_name_that_is_taken(site, put):
    stored = put("a", b"first")
    with pytest.raises(ConflictError):
        put("a", b"second")
    assert [path.read_bytes() for path in site.stored_files()] == [b"first"]
    assert unsettled_of(site) == []
    assert site.catalog().search("SELECT df.id FROM Datafile df") == [stored.id]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a\nb", "x" * 300])
def test_a_name_that_leads_elsewhere(put, nothing_left, name):
    """Bad input: a file name with ``..``."""
    with pytest.raises(BadRequestError, match="Illegal filename"):
        put(name, b"abc")
    nothing_left()


def test_an_upload_that_breaks_off(site, nothing_left):
    """Bad input: an upload cut off halfway."""

    def half():
        yield b"abc" * 100_000
        raise ConnectionResetError("gone")

    with pytest.raises(BadRequestError, match="broke off"):
        site.datastore().put(
            half(),
            name="a",
            dataset_id=site.dataset_ids[0],
            datafile_format_id=site.datafile_format_id,
        )
    nothing_left()


def test_a_fault_of_ours_is_not_called_a_broken_upload(site, nothing_left):
    def faulty():
        yield b"abc"
        raise LookupError("a bug")

    with pytest.raises(InternalError):
        site.datastore().put(
            faulty(),
            name="a",
            dataset_id=site.dataset_ids[0],
            datafile_format_id=site.datafile_format_id,
        )
    nothing_left()


@pytest.fixture
def raw_put(site):
    """Makes the bare HTTP call; ``None`` leaves a parameter out."""

    def raw_put(body=b"abc", *, headers=None, **changes) -> requests.Response:
        params = {
            "sessionId": site.catalog().session_id,
            "name": "a",
            "datasetId": site.dataset_ids[0],
            "datafileFormatId": site.datafile_format_id,
        } | changes
        url = "http://datastore.embedded/ids/put"
        request = requests.Request("PUT", url, params=params, data=body).prepare()
        request.headers.update(headers or {})
        return site.process.http.send(request)

    return raw_put


def test_an_upload_that_is_shorter_than_announced(raw_put, nothing_left):
    answer = raw_put(headers={"Content-Length": "10"})
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "BadRequestException",
        "message": "the upload ended after 3 of 10 bytes",
    }
    nothing_left()


def test_the_reply_is_that_of_the_interface(site, raw_put):
    answer = raw_put()
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    found = answer.json()
    assert list(found) == ["id", "checksum", "location", "size"]
    assert (found["checksum"], found["size"]) == (zlib.crc32(b"abc"), 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sessionId": None}, "The sessionId parameter must be set"),
        ({"sessionId": "x"}, "The sessionId parameter is not a valid UUID"),
        ({"name": None}, "The name parameter must be set"),
        ({"datafileFormatId": None}, "The datafileFormatId parameter must be set"),
        ({"datasetId": None}, "The datasetId parameter must be set"),
        ({"datasetId": "x"}, "The datasetId parameter must be numeric"),
        ({"datafileFormatId": "9" * 19}, "The datafileFormatId parameter must be numeric"),
        ({"datafileModTime": "now"}, "The datafileModTime parameter must be numeric"),
        ({"datafileModTime": "9" * 18}, "The datafileModTime parameter is no moment"),
    ],
)
def test_parameters_are_checked(raw_put, nothing_left, changes, message):
    answer = raw_put(**changes)
    assert answer.status_code == 400
    assert answer.json() == {"code": "BadRequestException", "message": message}
    nothing_left()


def test_the_checksum_is_verified_before_anything_is_kept(site, put, raw_put, nothing_left):
    """Quirk Q14."""
    wrong = raw_put(headers={"X-Checksum-CRC32": "12345678"})
    assert wrong.status_code == 400
    assert "CRC-32 352441c2, not 12345678" in wrong.json()["message"]
    assert raw_put(headers={"X-Checksum-CRC32": "beef?"}).status_code == 400
    nothing_left()
    assert put("a", b"abc", checksum=zlib.crc32(b"abc")).size == 3


def test_a_name_that_is_taken_on_the_wire(raw_put):
    """ids-api §1: OBJECT_ALREADY_EXISTS is 500 InternalException."""
    assert raw_put().status_code == 201
    second = raw_put()
    assert second.status_code == 500
    assert set(second.json()) == {"code", "message"}
    assert second.json()["code"] == "InternalException"


def test_a_form_with_a_file(site):
    """ids-api §6: fields before the file; its name is used where none is given."""
    fields = [
        ("sessionId", (None, site.catalog().session_id)),
        ("datasetId", (None, str(site.dataset_ids[0]))),
        ("datafileFormatId", (None, str(site.datafile_format_id))),
        ("wrap", (None, "true")),
        ("file", ("sub/f.nxs", b"abc" * 200_000)),
    ]
    url = "http://datastore.embedded/ids/put"
    answer = site.process.http.post(url, files=fields)
    assert answer.status_code == 201, answer.text
    record = site.catalog().get("Datafile", answer.json()["id"])
    assert (record["name"], record["fileSize"]) == ("sub/f.nxs", 600_000)
    assert [path.read_bytes() for path in site.stored_files()] == [b"abc" * 200_000]


@pytest.mark.parametrize("cut", [True, False])
def test_a_form_that_is_not_whole_stores_nothing(site, nothing_left, cut):
    fields = {
        "sessionId": (None, site.catalog().session_id),
        "datasetId": (None, str(site.dataset_ids[0])),
        "datafileFormatId": (None, str(site.datafile_format_id)),
        "name": (None, "a"),
        "file" if cut else "other": ("f", b"abc" * 200_000) if cut else (None, "x"),
    }
    url = "http://datastore.embedded/ids/put"
    request = requests.Request("POST", url, files=fields).prepare()
    if cut:
        request.body = request.body[:300_000]
        request.headers["Content-Length"] = "300000"
    answer = site.process.http.send(request)
    assert answer.status_code == 400
    assert answer.json()["code"] == "BadRequestException"
    nothing_left()


class TestReadOnly:
    """A service that takes nothing."""

    @pytest.fixture
    def site(self, facility_site):
        return facility_site(more="read_only = true")

    def test_put_is_not_offered(self, put, nothing_left):
        with pytest.raises(NotImplementedHereError):
            put("a", b"abc")
        nothing_left()

    def test_it_is_said(self, site):
        answer = site.process.http.get("http://datastore.embedded/ids/isReadOnly")
        assert answer.text == "true"

    def test_this_is_checked_first(self, raw_put):
        assert raw_put(sessionId=None).json()["code"] == "NotImplementedException"


class TestLittleSpace:
    """A storage that is nearly full."""

    @pytest.fixture
    def site(self, facility_site):
        return facility_site(more=f"largest_upload_bytes = {5 << 20}")

    def test_a_file_that_is_too_large(self, site, put, raw_put, nothing_left):
        """Bad input: the disk full; security 22."""
        with pytest.raises(TooLargeError, match="may have 5242880 bytes"):
            put("a", bytes(6 << 20))
        answer = raw_put(bytes(6 << 20))
        assert answer.status_code == 507
        assert answer.json()["code"] == "InsufficientStorageException"
        nothing_left()
        assert put("a", bytes(5 << 20)).size == 5 << 20

    def test_no_upload_goes_below_the_floor(self, facility_site, monkeypatch, raw_put, site):
        monkeypatch.setenv("DATASTORE__FREE_SPACE_FLOOR_BYTES", str(1 << 60))
        site.process._apps.pop("datastore", None)
        answer = raw_put()
        assert (answer.status_code, answer.json()["message"]) == (
            507,
            "there is no space left in the storage for 3 bytes",
        )
        assert site.stored_files() == []
