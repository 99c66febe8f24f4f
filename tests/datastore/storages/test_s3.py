"""What a bucket does beyond what every storage must do, on a real server."""

from __future__ import annotations

import os
import time

import pytest
import requests

from datastore.storages import s3
from datastore.storages.s3 import S3Storage
from ijp.errors import InternalError, NotFoundError, UnavailableError
from tests.datastore.storages.test_storages import DATASET, stored

pytestmark = pytest.mark.slow


def unfinished(storage, location):
    return storage._unfinished(location)


def test_a_content_of_many_parts(s3_storage, monkeypatch):
    monkeypatch.setattr(s3, "_PART_BYTES", 5 << 20)
    content = os.urandom((11 << 20) + 3)
    location = stored(s3_storage, content[: 6 << 20], content[6 << 20 :])
    assert s3_storage.size(location) == len(content)
    with s3_storage.open(location) as file:
        assert file.read() == content
        file.seek(7 << 20)
        assert file.read(100) == content[7 << 20 : (7 << 20) + 100]
        file.seek(-3, os.SEEK_END)
        assert file.read() == content[-3:]


def test_a_connection_that_breaks_is_taken_up(s3_storage):
    content = os.urandom(3 << 20)
    with s3_storage.open(stored(s3_storage, content)) as file:
        start = file.read(1000)
        file.raw._body._raw_stream.close()
        assert start + file.read() == content


def test_parts_of_an_upload_that_died_are_removed(s3_storage):
    location = s3_storage.new_location(DATASET, "a")
    upload = s3_storage.upload(location)
    upload.write(b"abc")
    assert s3_storage.changed(location) is not None
    s3_storage.delete(location)
    assert s3_storage.changed(location) is None
    assert unfinished(s3_storage, location) == []


def test_the_bytes_can_go_straight_to_the_client(s3_storage):
    location = stored(s3_storage, b"0123456789")
    url = s3_storage.direct_url(location, "a ü.nxs")
    answer = requests.get(url, headers={"Range": "bytes=3-"}, timeout=20)
    assert (answer.status_code, answer.content) == (206, b"3456789")
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"a _.nxs\"; filename*=UTF-8''a%20%C3%BC.nxs"
    )
    assert requests.get(url + "0", timeout=20).status_code == 403


def test_a_file_of_this_host_is_taken_in(s3_storage, tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    location = s3_storage.new_location(DATASET, "a")
    s3_storage.take_in(tmp_path / "a", location)
    with s3_storage.open(location) as file:
        assert file.read() == b"abc"
    assert not (tmp_path / "a").exists()


def test_a_wrong_secret_is_told(s3_settings, tmp_path):
    (tmp_path / "wrong.toml").write_text('access_key = "AK"\nsecret_key = "wrong"\n')
    storage = S3Storage({**s3_settings, "credentials_file": "wrong.toml"}, tmp_path)
    with pytest.raises(InternalError, match="the S3 server refused"):
        storage.size("1/2/00000000-0000-0000-0000-000000000000")


def test_nothing_answers(s3_settings, tmp_path):
    """A server that is away can be asked again later."""
    settings = {**s3_settings, "endpoint_url": "http://127.0.0.1:1"}
    with pytest.raises(UnavailableError):
        S3Storage(settings, tmp_path).size("1/2/00000000-0000-0000-0000-000000000000")


def test_what_is_not_there(s3_storage):
    with pytest.raises(NotFoundError):
        s3_storage.open("1/2/00000000-0000-0000-0000-000000000000")


def test_more_than_one_page_is_told(s3_settings, tmp_path):
    """A server gives a thousand names at a time."""
    storage = S3Storage({**s3_settings, "prefix": "many/"}, tmp_path)
    told = {"Bucket": s3_settings["bucket"], "Body": b"ab"}
    for number in range(1003):
        key = f"many/1/{number % 7}/00000000-0000-4000-8000-{number:012}"
        storage._client.put_object(Key=key, **told)
    storage._client.put_object(Key="many/1/2/not-of-ours", **told)
    kept = list(storage.kept())
    assert (len(kept), {one.size for one in kept}) == (1003, {2})
    assert {storage.dataset_of(one.location) for one in kept} == set(range(7))


def test_a_part_that_arrives_is_a_sign_of_life(s3_storage, monkeypatch):
    """An upload may take longer than the sweep waits."""
    monkeypatch.setattr(s3, "_PART_BYTES", 5 << 20)
    location = s3_storage.new_location(DATASET, "a")
    with s3_storage.upload(location) as upload:
        upload.write(b"a")
        begun = s3_storage.changed(location)
        time.sleep(1.1)
        upload.write(bytes(6 << 20))
        assert s3_storage.changed(location) > begun


class TestTrouble:
    """The server answers 500, or late."""

    @pytest.fixture
    def storage(self, s3_settings, troubled, tmp_path) -> S3Storage:
        settings = {**s3_settings, "endpoint_url": troubled.url, "timeout_seconds": 0.5}
        return S3Storage(settings, tmp_path)

    def test_a_few_errors_are_not_noticed(self, storage, troubled):
        location = stored(storage, b"abc")
        troubled.failing = 2
        with storage.open(location) as file:
            assert file.read() == b"abc"

    def test_many_errors_are_told_as_trouble_that_may_end(self, storage, troubled):
        location = stored(storage, b"abc")
        troubled.failing = 1000
        with pytest.raises(UnavailableError, match="has a fault"):
            storage.open(location)
        with pytest.raises(UnavailableError):
            stored(storage, b"abc")
        troubled.failing = 0
        assert storage.size(location) == 3

    def test_a_late_answer_is_asked_for_again(self, storage, troubled):
        location = stored(storage, b"abc")
        troubled.seconds, troubled.late = 3, 1
        assert storage.size(location) == 3

    def test_a_server_that_is_always_late(self, storage, troubled):
        location = stored(storage, b"abc")
        troubled.seconds, troubled.late = 2, 1000
        with pytest.raises(UnavailableError, match="does not answer"):
            storage.size(location)

    def test_errors_in_the_middle_of_a_file(self, storage, troubled):
        content = os.urandom(3 << 20)
        with storage.open(stored(storage, content)) as file:
            start = file.read(1000)
            file.raw._body._raw_stream.close()
            troubled.failing = 2
            assert start + file.read() == content
