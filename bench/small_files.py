"""Many small files: zips of them, storing them, and asking where they are."""

from __future__ import annotations

import io
import os
import tarfile
import time
import uuid
import zipfile
from pathlib import Path
from typing import IO, Any, cast

import requests

from bench.measure import Result, median_seconds
from bench.pages import USER
from bench.site import Site
from bench.transfers import place
from ijp.query import query

_ZIPPED, _ZIPPED_BYTES = 10_000, 100_000
_LISTED = 100_000
_PUT, _PUT_BYTES = 1_000, 10_000
_A_CALL = 2_000


def measure(site: Site) -> list[Result]:
    """What is asked of small files."""
    session = site.user(USER)
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {session.session_id}"
    dataset, format_id = place(site)
    zipped = _filled(site, dataset, format_id, _ZIPPED, _ZIPPED_BYTES)
    listed = _filled(site, dataset, format_id, _LISTED, 0)
    return [
        *_zip(site, http, zipped),
        _puts(site, http, _new_dataset(site, dataset), format_id),
        _put_many(site, http, _new_dataset(site, dataset), format_id),
        _status(site, http, listed),
    ]


def _new_dataset(site: Site, like: int) -> int:
    """An empty dataset beside another one."""
    text = "SELECT ds.investigation.id, ds.type.id FROM Dataset ds WHERE ds.id = {}"
    ((investigation, kind),) = site.root.search(query(text, like))
    return site.root.create(
        "Dataset",
        name=f"bench {uuid.uuid4()}",
        complete=True,
        investigation={"id": investigation},
        type={"id": kind},
    )


def _filled(site: Site, like: int, format_id: int, count: int, size: int) -> int:
    """A dataset with so many files; those without bytes are in the catalog only."""
    dataset = _new_dataset(site, like)
    folder = site.folder / "data" / "1" / str(dataset)
    folder.mkdir(parents=True)
    content = os.urandom(size)
    for start in range(0, count, _A_CALL):
        names = [str(uuid.uuid4()) for _ in range(min(_A_CALL, count - start))]
        if size:
            for name in names:
                (folder / name).write_bytes(content)
        site.root.write(
            [
                {
                    "Datafile": {
                        "name": f"{start + number:06d}.bin",
                        "dataset": {"id": dataset},
                        "datafileFormat": {"id": format_id},
                        "location": f"1/{dataset}/{name}",
                        "fileSize": size,
                    }
                }
                for number, name in enumerate(names)
            ]
        )
    return dataset


def _zip(site: Site, http: requests.Session, dataset: int) -> list[Result]:
    url = f"{site.url}/ids/getData?datasetIds={dataset}"
    firsts, wholes = [], []
    for _ in range(3):
        began = time.perf_counter()
        with http.get(url, stream=True, timeout=600) as answer:
            answer.raise_for_status()
            answer.raw.read(1)
            firsts.append(time.perf_counter() - began)
            while answer.raw.read(1 << 20):
                pass
        wholes.append(time.perf_counter() - began)
    limit = min(_zipfile_seconds(site.folder / "data" / "1" / str(dataset)) for _ in range(2))
    first, whole = min(firsts), min(wholes)
    reached = 100 * limit / whole
    return [
        Result(
            f"zip of {_ZIPPED:,} files of {_ZIPPED_BYTES // 1000} kB",
            f"{whole:.2f} s",
            f"zipfile to nowhere {limit:.2f} s",
            f"≥ 70 %: {reached:.0f} %",
            reached >= 70,
        ),
        Result(
            "its first byte",
            f"{1000 * first:.0f} ms",
            "none",
            "≤ 200 ms",
            first <= 0.2,
        ),
    ]


class _Nowhere(io.RawIOBase):
    """What is written is not kept; as in a connection, nobody can go back in it."""

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        return len(block)


def _zipfile_seconds(folder: Path) -> float:
    began = time.perf_counter()
    with zipfile.ZipFile(cast(IO[bytes], _Nowhere()), "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    return time.perf_counter() - began


def _puts(site: Site, http: requests.Session, dataset: int, format_id: int) -> Result:
    content = os.urandom(_PUT_BYTES)
    url = f"{site.url}/ids/put"
    params = {"datasetId": dataset, "datafileFormatId": format_id}
    began = time.perf_counter()
    for number in range(_PUT):
        own = {**params, "name": number}
        answer = http.put(url, params=own, data=content, timeout=60)
        answer.raise_for_status()
    rate = _PUT / (time.perf_counter() - began)
    name = f"put of {_PUT:,} files of {_PUT_BYTES // 1000} kB, one by one"
    return Result(name, f"{rate:.0f} a second", "none", "≥ 150 a second", rate >= 150)


def _put_many(site: Site, http: requests.Session, dataset: int, format_id: int) -> Result:
    content, target = os.urandom(_PUT_BYTES), io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for number in range(_PUT):
            member = tarfile.TarInfo(f"{number}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    params = {"datasetId": dataset, "datafileFormatId": format_id}
    body = target.getvalue()
    began = time.perf_counter()
    http.put(f"{site.url}/ids/putMany", params=params, data=body, timeout=600).raise_for_status()
    rate = _PUT / (time.perf_counter() - began)
    name = f"the same {_PUT:,} files in one call"
    return Result(name, f"{rate:.0f} a second", "none", "≥ 500 a second", rate >= 500)


def _status(site: Site, http: requests.Session, dataset: int) -> Result:
    url = f"{site.url}/ids/getStatus?datasetIds={dataset}"

    def ask() -> None:
        answer = http.get(url, timeout=60)
        answer.raise_for_status()

    took = median_seconds(ask)
    name = f"getStatus of a dataset with {_LISTED:,} files"
    return Result(name, f"{1000 * took:.0f} ms", "none", "< 100 ms", took < 0.1)
