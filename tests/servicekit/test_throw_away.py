"""A server that is thrown away at its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from bench.postgresql import free_port
from ijp.catalog import CatalogClient
from servicekit import throw_away
from servicekit.cli import ijpd
from servicekit.settings import SettingsError

pytestmark = pytest.mark.slow

_CONFIG = """
[common]
catalog_url = "http://catalog.embedded/icat"
datastore_url = "http://datastore.embedded/ids"
[catalog]
authenticators = ["simple", "db"]
simple_users_file = "secrets/users.toml"
root_users = ["simple/root"]
[throw_away.simple]
root = "short"
[throw_away.db]
ana = "word"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(_CONFIG)
    return path


@pytest.fixture
def serve(config: Path, tmp_path: Path) -> Iterator[Callable[[], tuple[str, int]]]:
    """Starts a server with temporary folders of its own; gives its address and process id."""
    (tmp_path / "temporary").mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def serve() -> tuple[str, int]:
        port = free_port()
        command = [Path(sys.executable).with_name("ijpd"), "serve", "--config", config]
        variables = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
        process = subprocess.Popen([*command, "--port", str(port)], env=variables)
        started.append(process)
        url = f"http://127.0.0.1:{port}/icat"
        _wait(url, process)
        return url, process.pid

    yield serve
    for process in started:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            requests.get(f"{url}/version", timeout=20).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail("the server did not start")


def _folders(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "temporary").glob("ijp-throw-away-*"))


def test_accounts_of_the_file_can_log_in(serve: Callable[[], tuple[str, int]]) -> None:
    client = CatalogClient(serve()[0])
    root = client.login("simple", {"username": "root", "password": "short"})
    assert root.create("Facility", name="F") == 1
    ana = client.login("db", {"username": "ana", "password": "word"})
    assert ana.search("Facility") == []


def test_nothing_is_left_when_the_server_has_ended(
    serve: Callable[[], tuple[str, int]], tmp_path: Path
) -> None:
    _, pid = serve()
    assert len(_folders(tmp_path)) == 1
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    assert _folders(tmp_path) == []


def test_installation_outlives_a_worker(
    serve: Callable[[], tuple[str, int]], tmp_path: Path
) -> None:
    url, pid = serve()
    CatalogClient(url).login("db", {"username": "ana", "password": "word"})
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGTERM)
    until = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    while True:
        try:
            CatalogClient(url).login("db", {"username": "ana", "password": "word"})
            break
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    assert len(_folders(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[other]\n", "there is a table for none of catalog, datastore, portal"),
        ("[catalog]\n[throw_away]\nsimple = 1\n", "has lines: user = "),
        ("[catalog]\n[throw_away.simple]\nroot = 1\n", "has lines: user = "),
        ("[catalog]\n[throw_away.ldap]\nroot = 'x'\n", "no accounts can be made for ldap"),
    ],
)
def test_file_that_is_wrong_says_why(
    config: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IJP__DATABASE_URL", "sqlite://")
    config.write_text(text)
    with pytest.raises(SettingsError, match=message), throw_away.installation(config):
        pass


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(ijpd, ["serve", "--config", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert "none.toml" in done.output
