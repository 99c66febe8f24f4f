"""What is installed from a wheel is all that is needed (req. 5, 24, 84)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("batch", "catalog", "datastore", "jobdefs", "migrations", "portal", "servicekit")
pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The two wheels, built from copies of the sources."""
    folder = tmp_path_factory.mktemp("wheels")
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / "server" / name, ignore=left_out)
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "server")
    shutil.copytree(ROOT / "clients" / "python", folder / "client", ignore=left_out)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    sources = [folder / "server", folder / "client"]
    subprocess.run([*command, "-w", folder / "dist", *sources], check=True, capture_output=True)
    return sorted((folder / "dist").iterdir())


def test_every_file_of_the_packages_arrives(wheels):
    """Templates, styles, schemas, grammars, migrations and examples, programs executable."""
    server = next(one for one in wheels if one.name.startswith("ijp_server"))
    with zipfile.ZipFile(server) as archive:
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
    sources = {
        path.relative_to(ROOT).as_posix(): path.stat().st_mode
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set(sources) - set(modes) == set()
    executable = {name for name, mode in sources.items() if mode & 0o100}
    assert {name for name, mode in modes.items() if mode & 0o100} == executable
    assert "jobdefs/examples/imaging/bin/segment" in executable


def test_no_other_distribution_has_our_names():
    """What is installed elsewhere under such a name would be imported instead."""
    owners = packages_distributions()
    for name in PACKAGES:
        assert set(owners.get(name, ["ijp-server"])) == {"ijp-server"}
    assert set(owners.get("ijp", ["ijp"])) == {"ijp"}


def test_demonstration_runs_from_the_wheels_in_an_empty_folder(wheels, tmp_path):
    """``python -P``, no source tree, no PATH of ours: only what was installed."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site]
    subprocess.run([*install, *wheels], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "empty").mkdir()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "servicekit.cli", "demo", "--bind", f"127.0.0.1:{port}"],
        cwd=tmp_path / "empty",
        env=environment | {"PYTHONPATH": str(site), "DEMO_ONCE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as it should be" in done.stdout
    assert os.listdir(tmp_path / "empty") == [".demo"]
    log = (tmp_path / "empty" / ".demo" / "server.log").read_text()
    assert "Traceback" not in log
