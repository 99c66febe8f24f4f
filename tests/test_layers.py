"""The contracts between the packages fail when they are broken."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGES = ("batch", "catalog", "datastore", "jobdefs", "portal", "servicekit")
FORBIDDEN = {
    "packages": [
        ("portal/moments.py", "import catalog.search"),
        ("servicekit/wire.py", "import portal.moments"),
        ("clients/python/ijp/query.py", "import servicekit.wire"),
        ("batch/engine.py", "import jobdefs.words"),
    ],
    "services-without-jobs": [
        ("catalog/services.py", "import jobdefs.words"),
        ("datastore/naming.py", "import batch.engine"),
    ],
    "libraries-without-web": [
        ("jobdefs/words.py", "import flask"),
        ("batch/engine.py", "import sqlalchemy"),
        ("jobdefs/command.py", "import requests"),
    ],
    "fronts-without-sql": [
        ("catalog/rest/routes.py", "import sqlalchemy"),
        ("portal/views/find.py", "import sqlalchemy"),
    ],
    "catalog-inside": [
        ("catalog/model/base.py", "import catalog.query.tree"),
        ("catalog/query/tree.py", "import catalog.rest.limits"),
    ],
}


def contracts() -> list[str]:
    """The names of the contracts in ``setup.cfg``."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    prefix = "importlinter:contract:"
    return [one.removeprefix(prefix) for one in settings.sections() if one.startswith(prefix)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the contracts, to be spoilt."""
    folder = tmp_path_factory.mktemp("packages")
    ignored = shutil.ignore_patterns("__pycache__", "examples")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copytree(ROOT / "clients" / "python" / "ijp", folder / "ijp", ignore=ignored)
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def lint(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a folder."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def test_every_contract_is_kept(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert f"{len(contracts())} kept, 0 broken" in done.stdout


@pytest.mark.parametrize("contract", contracts())
def test_contract_fails_when_it_is_broken(copy: Path, contract: str) -> None:
    for file, line in FORBIDDEN[contract]:
        path = copy / file.removeprefix("clients/python/")
        before = path.read_text()
        path.write_text(f"{before}\n\n{line}\n")
        done = lint(copy, "--contract", contract)
        path.write_text(before)
        assert done.returncode != 0, f"{line} in {file} went unnoticed"
        assert "BROKEN" in done.stdout, done.stdout + done.stderr
        source = file.removeprefix("clients/python/").removesuffix(".py").replace("/", ".")
        assert source in done.stdout, done.stdout
