"""Gets the source package of a client whose own tests we run: wheels have no tests."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(sys.prefix) / "peers"


def python_icat() -> Path:
    """Where the source package of the installed python-icat is, or has to be."""
    return FOLDER / f"python_icat-{version('python-icat')}.tar.gz"


def main() -> None:
    """Get what is not there yet."""
    if python_icat().exists():
        return
    wanted = f"python-icat=={version('python-icat')}"
    options = ["--no-deps", "--no-build-isolation", "--no-binary", "python-icat"]
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    subprocess.run([*command, *options, "-d", FOLDER, wanted], check=True)


if __name__ == "__main__":
    main()
