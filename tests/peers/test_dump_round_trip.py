"""A catalog as python-icat restores it is equal to itself after export and import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import icat
import pytest
import requests
from icat import dump_queries, dumpfile, dumpfile_yaml
from icat.query import Query

from tests.peers import python_icat

assert dumpfile_yaml, "it registers itself"
_PASSWORD = "secret"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """python-icat's dump of a catalog that has something of nearly everything."""
    source = python_icat.unpacked(tmp_path_factory.mktemp("python-icat"))
    return source / "doc" / "examples" / "icatdump-6.2.yaml"


@contextmanager
def _client(address: str) -> Iterator[Any]:
    client = icat.Client(f"{address}/ICATService/ICAT?wsdl")
    client.login("simple", {"username": "root", "password": _PASSWORD})
    try:
        yield client
    finally:
        client.logout()


def _restore(client: Any, source: Path) -> None:
    """What the script icatingest does."""
    with dumpfile.open_dumpfile(client, source, "YAML", "r") as file:
        for found in file.getobjs():
            found.create()


def _dump(client: Any, target: Path) -> str:
    """What the script icatdump does; without the comments, which have the date and address."""
    with dumpfile.open_dumpfile(client, target, "YAML", "w") as file:
        file.writedata(dump_queries.getAuthQueries(client))
        file.writedata(dump_queries.getStaticQueries(client))
        file.writedata(dump_queries.getFundingQueries(client))
        for id in _ids(client, "Investigation", ["facility.name", "name", "visitId"]):
            file.writedata(dump_queries.getInvestigationQueries(client, id), chunksize=5)
        file.writedata(dump_queries.getDataCollectionQueries(client))
        for id in _ids(client, "DataPublication", ["facility.name", "pid"]):
            file.writedata(dump_queries.getDataPublicationQueries(client, id))
        file.writedata(dump_queries.getOtherQueries(client))
    return _without_comments(target)


def _ids(client: Any, entity: str, order: list[str]) -> Iterator[int]:
    return iter(client.searchChunked(Query(client, entity, attributes="id", order=order)))


def _without_comments(file: Path) -> str:
    lines = file.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def _export(address: str, session_id: str) -> bytes:
    options = json.dumps({"sessionId": session_id, "attributes": "ALL"})
    answer = requests.get(f"{address}/icat/port", params={"json": options}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


def _import(address: str, session_id: str, dump: bytes) -> None:
    options = json.dumps({"sessionId": session_id, "attributes": "ALL"})
    parts = {"json": (None, options), "file": ("icat.export", dump, "application/octet-stream")}
    answer = requests.post(f"{address}/icat/port", files=parts, timeout=60)
    assert answer.status_code == 204, answer.text


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Where the first catalog is; the second one is always on SQLite."""
    if request.param == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_url"))


@pytest.mark.slow
@pytest.mark.end_to_end
def test_restored_catalog_is_equal_after_export_and_import(
    tmp_path: Path, reference: Path, database_url: str
) -> None:
    with (
        python_icat.served(database_url, tmp_path / "first.log") as first,
        python_icat.served("", tmp_path / "second.log") as second,
        _client(first) as client,
        _client(second) as other,
    ):
        _restore(client, reference)
        assert _dump(client, tmp_path / "first.yaml") == _without_comments(reference)
        exported = _export(first, client.sessionId)
        _import(second, other.sessionId, exported)
        assert _export(second, other.sessionId) == exported
        assert _dump(other, tmp_path / "second.yaml") == _without_comments(reference)
