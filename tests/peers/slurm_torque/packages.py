"""Slurm's commands with Torque's names, in a folder of their own.

Debian's package cannot be installed beside Grid Engine's commands, so that its files are unpacked,
with the libraries that they need; nothing else of this machine sees them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(sys.prefix) / "peers" / "slurm_torque"
_PACKAGES = ("slurm-wlm-torque", "libslurm-perl", "libslurmdb-perl", "libswitch-perl", "libslurm38")
_LIBRARIES = ROOT / "usr/lib/x86_64-linux-gnu"
_SLURM = Path("/usr/bin")

ENVIRONMENT = {
    "PERL5LIB": ":".join(map(str, (*_LIBRARIES.glob("perl5/*"), ROOT / "usr/share/perl5"))),
    "LD_LIBRARY_PATH": str(_LIBRARIES),
}
"""What the commands need to find their own libraries."""


def fetch() -> None:
    """Get them where they are not there yet."""
    done = ROOT / ".complete"
    if done.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        get = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *_PACKAGES]
        subprocess.run(get, cwd=folder, check=True)
        ROOT.mkdir(parents=True, exist_ok=True)
        for package in sorted(Path(folder).glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(ROOT)], check=True)
    done.touch()


def link_commands(folder: Path) -> None:
    """Make a folder with all of them, and with Slurm's own, which they look for beside them."""
    folder.mkdir()
    for program in ("sbatch", "salloc", "srun"):
        (folder / program).symlink_to(_SLURM / program)
    for program in (ROOT / "usr/bin").glob("*"):
        (folder / program.name).symlink_to(program)


if __name__ == "__main__":
    fetch()
