"""Transfers through the data service, against nginx and a plain socket on the same machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from bench.measure import Result
from bench.pages import USER
from bench.postgresql import free_port
from bench.site import Site
from ijp.query import query

_BLOCK = 1 << 20


def make_file(path: Path, mebibytes: int) -> None:
    """A file that does not compress."""
    with path.open("wb") as target:
        for _ in range(mebibytes):
            target.write(os.urandom(_BLOCK))


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """nginx serving a folder's files; gives its URL."""
    port = free_port()
    runtime = folder.parent / "nginx"
    runtime.mkdir()
    temporary = "\n".join(
        f"{kind}_temp_path {runtime}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (runtime / "nginx.conf").write_text(
        f"daemon off; pid {runtime}/pid; error_log {runtime}/error.log; events {{}}\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"http {{ access_log off; sendfile on; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([program, "-p", str(runtime), "-c", str(runtime / "nginx.conf")])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def download_seconds(url: str, headers: dict[str, str] | None = None) -> float:
    """How long it takes curl to fetch a URL to nowhere."""
    command = ["curl", "-sf", "-o", "/dev/null", "-K", "-"]
    config = f'url = "{url}"\n' + "".join(
        f'header = "{name}: {value}"\n' for name, value in (headers or {}).items()
    )
    began = time.perf_counter()
    subprocess.run(command, input=config.encode(), check=True)
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


def upload_seconds(
    url: str, headers: dict[str, str], source: Path
) -> tuple[float, requests.Response]:
    """How long a PUT of a file takes, in chunks without a length."""

    def blocks() -> Iterator[bytes]:
        with source.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block

    began = time.perf_counter()
    answer = requests.put(url, data=blocks(), headers=headers, timeout=600)
    answer.raise_for_status()
    return time.perf_counter() - began, answer


def measure(site: Site, mebibytes: int) -> list[Result]:
    """A file up and down, beside nginx and a plain socket with the same file."""
    folder = site.folder / "transfers"
    folder.mkdir()
    source = folder / "source"
    make_file(source, mebibytes)
    session = site.user(USER)
    headers = {"Authorization": f"Bearer {session.session_id}"}
    dataset, format_id = _place(site)
    reset_peaks(site.pids)
    before = resident_mebibytes(site.pids)
    cat = cat_seconds(source, folder / "copy")
    (folder / "copy").unlink()
    wanted = f"name=source&datasetId={dataset}&datafileFormatId={format_id}"
    put, answer = upload_seconds(f"{site.url}/ids/put?{wanted}", headers, source)
    with nginx(folder) as server:
        download_seconds(f"{server}/source")
        best = min(download_seconds(f"{server}/source") for _ in range(3))
    url = f"{site.url}/ids/getData?datafileIds={answer.json()['id']}"
    get = min(download_seconds(url, headers) for _ in range(3))
    grown = resident_mebibytes(site.pids) - before
    return results(mebibytes, best, get, cat, put, grown)


def _place(site: Site) -> tuple[int, int]:
    """A dataset that the user may write, and a format."""
    user = f"simple/{USER}"
    text = (
        "SELECT ds.id FROM Dataset ds JOIN ds.investigation.investigationUsers u "
        "WHERE u.user.name = {} LIMIT 0, 1"
    )
    dataset = site.root.search(query(text, user))[0]
    facility = site.root.search("SELECT f.id FROM Facility f WHERE f.name = 'BENCH'")[0]
    made = site.root.create("DatafileFormat", name="bench", version="1", facility={"id": facility})
    return int(dataset), made


def results(
    mebibytes: int, nginx_s: float, get_s: float, cat_s: float, put_s: float, grown: float
) -> list[Result]:
    """The section's rows."""

    def rate(seconds: float) -> str:
        return f"{mebibytes / seconds:,.0f} MiB/s"

    return [
        Result(
            f"download of {mebibytes} MiB",
            rate(get_s),
            f"nginx {rate(nginx_s)}",
            f"≥ 40 %: {100 * nginx_s / get_s:.0f} %",
            nginx_s / get_s >= 0.4,
        ),
        Result(
            f"upload of {mebibytes} MiB",
            rate(put_s),
            f"socket to disk {rate(cat_s)}",
            f"≥ 40 %: {100 * cat_s / put_s:.0f} %",
            cat_s / put_s >= 0.4,
        ),
        Result(
            "server memory during both",
            f"+{grown:.0f} MiB",
            "none",
            "≤ 64 MiB",
            grown <= 64,
        ),
    ]
