"""A bucket of an S3 server: keys ``<prefix><investigation id>/<dataset id>/<random>``."""

from __future__ import annotations

import io
import re
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from marshmallow import Schema, ValidationError, fields, validate

from datastore.naming import content_disposition
from datastore.storage import DatasetInfo, Kept, Storage, Upload
from ijp.errors import InternalError, NotFoundError, TooLargeError, UnavailableError

_LOCATION = re.compile(r"[0-9]{1,19}/[0-9]{1,19}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_READ_AHEAD_BYTES = 256 << 10
_PART_BYTES = 8 << 20
_PARTS_OF_ONE_SIZE = 1000
"""After so many parts the next ones are larger: there may be 10,000 in all."""
_ABSENT = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}
_FULL = {"QuotaExceeded", "EntityTooLarge", "InsufficientCapacity"}
_READ_ATTEMPTS = 5
_FIRST_FAULT = 500
"""From this HTTP status on it is the server's fault, and asking again may help."""


class _Settings(Schema):
    endpoint_url = fields.Url(require_tld=False, load_default=None)
    bucket = fields.String(required=True, validate=validate.Length(3, 63))
    prefix = fields.String(load_default="", validate=validate.Regexp(r"([^/]+/)*$"))
    region = fields.String(load_default="us-east-1")
    credentials_file = fields.String(load_default=None)
    link_seconds = fields.Integer(load_default=3600, validate=validate.Range(1, 7 * 86_400))
    timeout_seconds = fields.Float(load_default=60.0, validate=validate.Range(0.1, 3600))


class S3Storage(Storage):
    """Contents are objects of one bucket, which must be there; an object appears as a whole.

    ``storage_settings`` are ``endpoint_url`` (Amazon's without it), ``bucket``, ``prefix`` (ends
    with ``/``), ``region``, ``link_seconds`` for which direct downloads are good,
    ``timeout_seconds`` after which a silent server is asked again, and ``credentials_file``: TOML
    with ``access_key`` and ``secret_key``, relative to the storage's folder; without it they are
    looked for where S3 programs usually do.
    """

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        try:
            told = _Settings().load(dict(settings))
        except ValidationError as error:
            raise ValueError(f"settings of the S3 storage: {error.messages}") from error
        self._bucket: str = told["bucket"]
        self._prefix: str = told["prefix"]
        self._link_seconds: int = told["link_seconds"]
        self._client: Any = boto3.session.Session(
            **_credentials(folder, told["credentials_file"])
        ).client(
            "s3",
            endpoint_url=told["endpoint_url"],
            region_name=told["region"],
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if told["endpoint_url"] else "auto"},
                retries={"max_attempts": 4, "mode": "standard"},
                connect_timeout=min(10.0, told["timeout_seconds"]),
                read_timeout=told["timeout_seconds"],
                max_pool_connections=64,
            ),
        )

    def new_location(self, dataset: DatasetInfo, name: str) -> str:
        return f"{dataset.investigation_id}/{dataset.id}/{uuid.uuid4()}"

    def upload(self, location: str) -> Upload:
        return _S3Upload(self._client, self._bucket, self._key(location))

    def dataset_of(self, location: str) -> int:
        self._key(location)
        return int(location.split("/")[1])

    def open(self, location: str) -> BinaryIO:
        raw = _S3File(self._client, self._bucket, self._key(location))
        return cast(BinaryIO, io.BufferedReader(raw, _READ_AHEAD_BYTES))

    def size(self, location: str) -> int:
        return int(self._head(location)["ContentLength"])

    def changed(self, location: str) -> datetime | None:
        times = []
        for one in self._unfinished(location):
            times += [one["Initiated"], *self._parts_arrived(location, one["UploadId"])]
        with suppress(NotFoundError):
            times.append(self._head(location)["LastModified"])
        return max(times, default=None)

    def delete(self, location: str) -> None:
        key = self._key(location)
        for one in self._unfinished(location):
            with suppress(NotFoundError), _answers(location):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=one["UploadId"]
                )
        with _answers(location):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def free_bytes(self) -> int | None:
        return None

    def kept(self) -> Iterator[Kept]:
        listing = self._client.get_paginator("list_objects_v2")
        pages = iter(listing.paginate(Bucket=self._bucket, Prefix=self._prefix))
        while True:
            with _answers(self._prefix):
                page = next(pages, None)
            if page is None:
                return
            for one in page.get("Contents", ()):
                location = one["Key"].removeprefix(self._prefix)
                if _LOCATION.fullmatch(location):
                    yield Kept(location, int(one["Size"]))

    def direct_url(self, location: str, name: str) -> str | None:
        asked = {
            "Bucket": self._bucket,
            "Key": self._key(location),
            "ResponseContentDisposition": content_disposition(name),
            "ResponseContentType": "application/octet-stream",
        }
        return str(
            self._client.generate_presigned_url(
                "get_object", Params=asked, ExpiresIn=self._link_seconds
            )
        )

    def _key(self, location: str) -> str:
        if not _LOCATION.fullmatch(location):
            raise NotFoundError(f"{location[:80]!r} is not a location of this storage")
        return self._prefix + location

    def _head(self, location: str) -> dict[str, Any]:
        key = self._key(location)
        with _answers(location):
            return dict(self._client.head_object(Bucket=self._bucket, Key=key))

    def _unfinished(self, location: str) -> list[dict[str, Any]]:
        """Uploads to this location that have begun and not ended."""
        key = self._key(location)
        with _answers(location):
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
            return [one for one in found.get("Uploads", []) if one["Key"] == key]

    def _parts_arrived(self, location: str, upload_id: str) -> list[datetime]:
        """When the parts of an upload arrived; none of one that has ended meanwhile."""
        listing = self._client.get_paginator("list_parts")
        named = {"Bucket": self._bucket, "Key": self._key(location), "UploadId": upload_id}
        with suppress(NotFoundError), _answers(location):
            pages = listing.paginate(**named)
            return [one["LastModified"] for page in pages for one in page.get("Parts", ())]
        return []


class _S3Upload(Upload):
    """Sent in parts of some megabytes, which S3 makes one object at the end."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._is_over = False

    def write(self, block: bytes) -> None:
        if self._is_over:
            raise ValueError("the upload has ended")
        if self._id is None:
            with _answers(self._object["Key"]):
                self._id = self._client.create_multipart_upload(**self._object)["UploadId"]
        self._buffer += block
        while len(self._buffer) >= self._part_bytes():
            size = self._part_bytes()
            part = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._send(part)

    def _part_bytes(self) -> int:
        return int(_PART_BYTES << (len(self._parts) // _PARTS_OF_ONE_SIZE))

    def _send(self, part: bytes) -> None:
        with _answers(self._object["Key"]):
            number = len(self._parts) + 1
            sent = self._client.upload_part(
                **self._object, UploadId=self._id, PartNumber=number, Body=part
            )
            self._parts.append({"PartNumber": number, **_told(sent)})

    def commit(self) -> None:
        if self._id is None:
            with _answers(self._object["Key"]):
                self._client.put_object(**self._object, Body=bytes(self._buffer))
        else:
            if self._buffer or not self._parts:
                self._send(bytes(self._buffer))
            with _answers(self._object["Key"]):
                self._client.complete_multipart_upload(
                    **self._object, UploadId=self._id, MultipartUpload={"Parts": self._parts}
                )
        self._is_over = True
        self._buffer.clear()

    def discard(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._buffer.clear()
        if self._id is not None:
            with suppress(NotFoundError), _answers(self._object["Key"]):
                self._client.abort_multipart_upload(**self._object, UploadId=self._id)


def _told(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be told of a part at the end: its tag, and its checksum if S3 made one."""
    return {key: sent[key] for key in ("ETag", "ChecksumCRC32") if key in sent}


class _S3File(io.RawIOBase):
    """An object, read from where it is needed; taken up again when the connection breaks."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._at = 0
        with _answers(key):
            found = client.get_object(Bucket=bucket, Key=key)
        self._object = {"Bucket": bucket, "Key": key, "IfMatch": found["ETag"]}
        self._size = int(found["ContentLength"])
        self._body: Any = found["Body"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the start")
        if base + offset != self._at:
            self._drop()
            self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        wanted = min(len(view), self._size - self._at)
        if wanted <= 0:
            return 0
        for attempt in range(_READ_ATTEMPTS):
            try:
                block = self._from_here().read(wanted)
            except (BotoCoreError, OSError) as error:
                self._drop()
                if attempt + 1 == _READ_ATTEMPTS:
                    raise UnavailableError("the storage broke off") from error
                continue
            if block:
                view[: len(block)] = block
                self._at += len(block)
                return len(block)
            self._drop()
        raise UnavailableError("the storage broke off")

    def _from_here(self) -> Any:
        if self._body is None:
            with _answers(self._object["Key"]):
                self._body = self._client.get_object(**self._object, Range=f"bytes={self._at}-")[
                    "Body"
                ]
        return self._body

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._drop()
        super().close()


@contextmanager
def _answers(location: str) -> Iterator[None]:
    """What S3 refuses, in our words."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code in _ABSENT:
            raise NotFoundError(f"there is nothing in the storage at {location}") from error
        if code in _FULL:
            raise TooLargeError("there is no space left in the storage") from error
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _FIRST_FAULT:
            raise UnavailableError(f"the S3 server has a fault: {code}") from error
        raise InternalError(f"the S3 server refused: {code}") from error
    except (BotoCoreError, OSError) as error:
        raise UnavailableError("the S3 server does not answer") from error


def _credentials(folder: Path, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    place = folder / name
    try:
        found = tomllib.loads(place.read_text(encoding="utf-8"))
        return {
            "aws_access_key_id": str(found["access_key"]),
            "aws_secret_access_key": str(found["secret_key"]),
        }
    except OSError as error:
        raise ValueError(f"{place}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise ValueError(f"{place}: access_key and secret_key are needed") from error
