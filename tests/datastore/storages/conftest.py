"""Storages to be tried: the S3 server starts once for all tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from datastore.storages.s3 import S3Storage
from tests.datastore.storages import rgw
from tests.datastore.storages.faulty import Trouble, trouble


@pytest.fixture(scope="session")
def s3_settings() -> Iterator[dict[str, str]]:
    """Settings of an S3 storage on a real server."""
    with tempfile.TemporaryDirectory(prefix="ijp-rgw-") as made:
        folder = Path(made)
        try:
            with rgw.gateway(folder) as gateway:
                client = boto3.client(
                    "s3",
                    endpoint_url=gateway.url,
                    aws_access_key_id=rgw.ACCESS_KEY,
                    aws_secret_access_key=rgw.SECRET_KEY,
                    region_name="us-east-1",
                )
                client.create_bucket(Bucket="data")
                place = folder / "credentials.toml"
                place.write_text(
                    f'access_key = "{rgw.ACCESS_KEY}"\nsecret_key = "{rgw.SECRET_KEY}"\n'
                )
                yield {
                    "endpoint_url": gateway.url,
                    "bucket": "data",
                    "prefix": "ijp/",
                    "credentials_file": str(place),
                }
        except rgw.NotInstalledError as error:
            pytest.fail(str(error))


@pytest.fixture
def s3_storage(s3_settings: dict[str, str], tmp_path: Path) -> S3Storage:
    """A storage in a bucket of a real server."""
    return S3Storage(s3_settings, tmp_path)


@pytest.fixture
def troubled(s3_settings: dict[str, str]) -> Iterator[Trouble]:
    """Stands before the server, and makes trouble when it is told to."""
    with trouble(s3_settings["endpoint_url"]) as server:
        yield server
