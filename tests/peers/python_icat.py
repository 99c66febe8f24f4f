"""python-icat's source package, and the server that its tests need."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from bench.postgresql import free_port
from tests.peers import fetch

_HERE = Path(__file__).parent


def unpacked(folder: Path) -> Path:
    """The folder of the source package, unpacked into an empty one."""
    package = fetch.python_icat()
    if not package.exists():
        pytest.fail(f"{package} is not there; `make setup-test` gets it from the package index")
    with tarfile.open(package) as archive:
        # Python 3.11 of Debian 12 knows no filter yet; the package's digest is known.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **safe)
    (source,) = folder.iterdir()
    return source


@contextmanager
def served(database_url: str, log: Path, config: str = "python-icat.toml") -> Iterator[str]:
    """The server of a configuration beside this file; gives its address."""
    port = free_port()
    ijpd = Path(sys.executable).with_name("ijpd")
    command = [ijpd, "serve", "--config", _HERE / config, "--port", str(port)]
    variables = dict(os.environ)
    if database_url:
        variables["IJP__DATABASE_URL"] = database_url
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=variables, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            requests.get(f"{url}/icat/version", timeout=20).raise_for_status()
            requests.get(f"{url}/ids/ping", timeout=20).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text()}")
