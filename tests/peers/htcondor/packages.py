"""HTCondor without installing it: Debian's packages of a later release, in a folder of their own.

The release that the tests run on has no HTCondor. Its programs come with the C library that they
were built for, and are started by that one's loader: nothing else of this machine sees them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(sys.prefix) / "peers" / "htcondor"
_RELEASE = "trixie"
_LIBRARIES = ROOT / "usr" / "lib" / "x86_64-linux-gnu"
_OWN_LIBRARIES = ROOT / "usr" / "lib"
_SETTINGS = """
Dir::Etc::sourcelist "{place}/sources.list";
Dir::Etc::sourceparts "/nonexistent";
Dir::State::lists "{place}/lists";
Dir::State::status "{place}/status";
Dir::Cache "{place}/cache";
APT::Sandbox::User "root";
"""
_SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} {release} main\n"
# Of what HTCondor's package depends on, the programs need libraries only.
_NOT_NEEDED = ("libperl", "libpython", "libjs-", "libdpkg-perl", "libdate-manip-perl")


def fetch() -> None:
    """Get it where it is not there yet."""
    done = ROOT / ".complete"
    if done.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("lists/partial", "cache/archives/partial"):
            (place / name).mkdir(parents=True)
        (place / "status").touch()
        (place / "sources.list").write_text(_SOURCE.format(mirror=_mirror(), release=_RELEASE))
        (place / "apt.conf").write_text(_SETTINGS.format(place=place))
        environment = {**os.environ, "APT_CONFIG": str(place / "apt.conf")}
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-qq", "-y", "-d", "--no-install-recommends", "condor"],
        ):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        ROOT.mkdir(parents=True, exist_ok=True)
        for package in sorted((place / "cache" / "archives").glob("*.deb")):
            wanted = package.name.startswith(("condor_", "lib"))
            if wanted and not package.name.startswith(_NOT_NEEDED):
                subprocess.run(["dpkg", "-x", str(package), str(ROOT)], check=True)
    done.touch()


def _mirror() -> str:
    """Where this machine gets its own packages."""
    form = "$(ORIGIN) $(REPO_URI)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return next(line.split()[1] for line in listed.splitlines() if line.startswith("Debian "))


def write_commands(folder: Path) -> None:
    """Make a folder with all of HTCondor's programs, under their names."""
    folder.mkdir()
    loader = _LIBRARIES / "ld-linux-x86-64.so.2"
    libraries = f"{_LIBRARIES}:{_OWN_LIBRARIES}"
    for place in ("usr/bin", "usr/sbin", "usr/libexec/condor"):
        for program in (ROOT / place).glob("condor_*"):
            if program.read_bytes()[:4] == b"\x7fELF":
                path = folder / program.name
                path.write_text(
                    f'#!/bin/sh\nexec {loader} --library-path {libraries} {program} "$@"\n'
                )
                path.chmod(0o755)


if __name__ == "__main__":
    fetch()
