"""Large files through the data service, against nginx and a plain socket on the same machine."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench import nginx
from bench.measure import Result
from bench.pages import USER
from bench.site import Site
from ijp.datastore import CRC32_HEADER, SHA256_HEADER, DatastoreClient
from ijp.query import query

_BLOCK = 1 << 20
_AT_ONCE = 8
_TIMES = 3


def make_file(path: Path, mebibytes: int) -> None:
    """A file that does not compress."""
    with path.open("wb") as target:
        for _ in range(mebibytes):
            target.write(os.urandom(_BLOCK))


def _curl(url: str, headers: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Begin to fetch a URL to nowhere."""
    config = f'url = "{url}"\n' + "".join(
        f'header = "{name}: {value}"\n' for name, value in headers.items()
    )
    command = ["curl", "-sf", "-o", "/dev/null", "-K", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    if process.stdin:
        process.stdin.write(config.encode())
        process.stdin.close()
    return process


def download_seconds(url: str, headers: Mapping[str, str], at_once: int = 1) -> float:
    """How long it takes curl to fetch a URL to nowhere, several times side by side."""
    began = time.perf_counter()
    processes = [_curl(url, headers) for _ in range(at_once)]
    statuses = [process.wait() for process in processes]
    if any(statuses):
        raise RuntimeError(f"{url} could not be fetched")
    return time.perf_counter() - began


def cat_seconds(source: Path, target: Path) -> float:
    """How long the file takes through a local socket into another file, flushed to the disk."""
    listener = socket.create_server(("127.0.0.1", 0))

    def receive() -> None:
        connection, _ = listener.accept()
        with connection, target.open("wb") as sink:
            while block := connection.recv(_BLOCK):
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())

    thread = threading.Thread(target=receive)
    began = time.perf_counter()
    thread.start()
    with socket.create_connection(listener.getsockname()) as sender, source.open("rb") as stream:
        sender.sendfile(stream)
    thread.join()
    listener.close()
    target.unlink()
    return time.perf_counter() - began


def resident_mebibytes(pids: list[int]) -> float:
    """Peak resident memory of processes, together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1])
    return total / 1024


def reset_peaks(pids: list[int]) -> None:
    """Let the peaks start again from now."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def checksums(source: Path) -> tuple[dict[str, str], float]:
    """The headers with a file's checksums, and how long they take alone."""
    crc, sha256 = 0, hashlib.sha256()
    began = time.perf_counter()
    with source.open("rb") as stream:
        while block := stream.read(_BLOCK):
            crc = zlib.crc32(block, crc)
            sha256.update(block)
    took = time.perf_counter() - began
    return {CRC32_HEADER: f"{crc:08x}", SHA256_HEADER: sha256.hexdigest()}, took


def put_seconds(url: str, headers: Mapping[str, str], source: Path) -> tuple[float, int]:
    """How long a PUT of a file takes, in chunks without a length; and the Datafile's id."""

    def blocks() -> Iterator[bytes]:
        with source.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block

    began = time.perf_counter()
    answer = requests.put(url, data=blocks(), headers=dict(headers), timeout=600)
    answer.raise_for_status()
    return time.perf_counter() - began, int(answer.json()["id"])


def tus_seconds(site: Site, session_id: str, source: Path, told: Mapping[str, str]) -> float:
    """How long an upload in pieces takes, in one piece."""
    datastore = DatastoreClient(f"{site.url}/ids").session(session_id)
    upload = datastore.resumable(source)
    began = time.perf_counter()
    upload.begin(told)
    upload.send()
    return time.perf_counter() - began


@dataclass
class Times:
    """Seconds for the file, one way or another."""

    nginx: float = 0
    get: float = 0
    get_many: float = 0
    front: float = 0
    cat: float = 0
    put: float = 0
    tus: float = 0
    checksums: float = 0
    grown: dict[str, float] = field(default_factory=dict)


def measure(site: Site, mebibytes: int) -> list[Result]:
    """A file up and down, beside nginx and a plain socket with the same file."""
    folder = site.folder / "transfers"
    folder.mkdir()
    source = folder / "source"
    make_file(source, mebibytes)
    session = site.user(USER)
    headers = {"Authorization": f"Bearer {session.session_id}"}
    dataset, format_id = place(site)
    times = Times()
    told, times.checksums = checksums(source)
    wanted = f"datasetId={dataset}&datafileFormatId={format_id}"
    reset_peaks(site.pids)
    before = resident_mebibytes(site.pids)
    times.cat = min(cat_seconds(source, folder / "copy") for _ in range(2))
    put = f"{site.url}/ids/put?{wanted}"
    puts = [put_seconds(f"{put}&name=put{n}", headers | told, source) for n in range(2)]
    times.put, id = min(puts)
    metadata = {"datasetId": str(dataset), "datafileFormatId": str(format_id)}
    times.tus = min(
        tus_seconds(site, str(session.session_id), source, {**metadata, "name": f"tus{n}"})
        for n in range(2)
    )
    times.grown["uploads"] = resident_mebibytes(site.pids) - before
    path = f"/ids/getData?datafileIds={id}"
    with nginx.static(folder, site.folder / "nginx") as url:
        download_seconds(f"{url}/source", {})
        times.nginx = min(download_seconds(f"{url}/source", {}) for _ in range(_TIMES))
    times.get = min(download_seconds(site.url + path, headers) for _ in range(_TIMES))
    with nginx.front(site.url, site.folder / "data", site.folder / "front") as url:
        times.front = min(download_seconds(url + path, headers) for _ in range(_TIMES))
    times.get_many = download_seconds(site.url + path, headers, _AT_ONCE)
    times.grown["8 downloads"] = resident_mebibytes(site.pids) - before
    return results(mebibytes, times)


def place(site: Site) -> tuple[int, int]:
    """A dataset that the user may write, and a format."""
    user = f"simple/{USER}"
    text = (
        "SELECT ds.id FROM Dataset ds JOIN ds.investigation.investigationUsers u "
        "WHERE u.user.name = {} LIMIT 0, 1"
    )
    dataset = site.root.search(query(text, user))[0]
    facility = site.root.search("SELECT f.id FROM Facility f WHERE f.name = 'BENCH'")[0]
    text = "SELECT f.id FROM DatafileFormat f WHERE f.name = 'bench'"
    if found := site.root.search(text):
        return int(dataset), int(found[0])
    made = site.root.create("DatafileFormat", name="bench", version="1", facility={"id": facility})
    return int(dataset), made


def results(mebibytes: int, times: Times) -> list[Result]:
    """The section's rows."""
    size = f"{mebibytes} MiB"
    own = f"checksums alone {times.checksums:.1f} s"
    nginx_rate = f"nginx {_rate(mebibytes, times.nginx)}"
    cat_rate = f"socket to disk {_rate(mebibytes, times.cat)}"
    many = times.get_many / _AT_ONCE
    return [
        _ratio(f"download of {size}", mebibytes, times.get, times.nginx, nginx_rate, 50),
        _ratio(
            "the same, sent by nginx before it",
            mebibytes,
            times.front,
            times.nginx,
            nginx_rate,
            95,
        ),
        _ratio(
            f"{_AT_ONCE} downloads at once, in all",
            mebibytes,
            many,
            times.get,
            f"one {_rate(mebibytes, times.get)}",
            100,
        ),
        _ratio(
            f"put of {size}, CRC-32 and SHA-256 verified ({own})",
            mebibytes,
            times.put,
            times.cat,
            cat_rate,
            50,
        ),
        _ratio(f"tus upload of {size}", mebibytes, times.tus, times.cat, cat_rate, 50),
        *(
            Result(f"server memory, {what}", f"{grown:+.0f} MiB", "none", "≤ 64 MiB", grown <= 64)
            for what, grown in times.grown.items()
        ),
    ]


def _ratio(
    name: str, mebibytes: int, seconds: float, limit_seconds: float, limit: str, percent: int
) -> Result:
    """A rate as a part of its limit."""
    reached = 100 * limit_seconds / seconds
    target = f"≥ {percent} %: {reached:.0f} %"
    return Result(name, _rate(mebibytes, seconds), limit, target, reached >= percent)


def _rate(mebibytes: int, seconds: float) -> str:
    return f"{mebibytes / seconds:,.0f} MiB/s"
