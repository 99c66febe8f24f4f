"""A real Slurm for measuring, whose commands are counted, and one that is only played."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.site import Batch
from tests.batch.sites.slurm import COMMANDS, SlurmSite

_SIZES = "MaxArraySize=1100\nMaxJobCount=30000\n"
_COUNTED = ("sbatch", "squeue", "scancel", "scontrol", "sacct")

_PLAYED_SBATCH = """#!/bin/sh
number=$(( $(cat "{folder}/number") + 1 ))
echo $number > "{folder}/number"
echo $number
"""
_PLAYED_SQUEUE = """#!{python} -IS
import sys

form = sys.argv[sys.argv.index("-o") + 1]
for number in range({jobs}):
    id = f"{{number // 1000 + 1}}_{{number % 1000 + 1}}"
    tag = f"P{{number // 1000 * 1000 + 1:025}}"
    values = {{"%i": id, "%T": "PENDING", "%r": "Priority", "%S": "N/A", "%e": "N/A", "%N": ""}}
    line = form.replace("%j", f"clock.{{tag}}")
    for name, value in values.items():
        line = line.replace(name, value)
    print(line)
"""


@dataclass(frozen=True)
class CountedSlurm:
    """A Slurm whose commands are noted when they run.

    Attributes:
        commands: The folder with the commands that note.
    """

    site: SlurmSite
    commands: Path
    notes: Path

    def batch(self, further: str) -> Batch:
        """For a site's settings; ``further`` are lines for those of the portal."""
        settings = {
            "command_folder": str(self.commands),
            "environment": self.site.environment,
            "defaults": {"queue": "batch"},
            "array_limit": 1000,
        }
        return Batch("slurm", settings, further)

    def start_jobs(self, wanted: bool) -> None:
        """Have it start jobs that wait, or only take them."""
        for name in ("two", "batch"):
            state = f"State={'UP' if wanted else 'DOWN'}"
            self.site.run("scontrol", "update", f"PartitionName={name}", state)

    def empty(self) -> None:
        """End whatever there is; nothing is started meanwhile."""
        self.start_jobs(False)
        self.site.run("scancel", "-u", "root")
        while self.site.run("squeue", "-h", "-o", "%i"):
            time.sleep(0.5)
        self.start_jobs(True)

    def calls(self) -> Counter[str]:
        """How often each command was run up to now."""
        return Counter(self.notes.read_text().split())


@contextmanager
def counted(folder: Path) -> Iterator[CountedSlurm]:
    """Have a Slurm until the block ends."""
    commands, notes = folder / "commands", folder / "notes"
    commands.mkdir()
    notes.touch()
    for name in _COUNTED:
        script = commands / name
        script.write_text(f'#!/bin/sh\necho {name} >> "{notes}"\nexec {COMMANDS / name} "$@"\n')
        script.chmod(0o755)
    site = SlurmSite(_SIZES)
    try:
        site.start()
        made = CountedSlurm(site, commands, notes)
        yield made
        made.empty()
    finally:
        site.stop()


def played(folder: Path, jobs: int) -> Path:
    """Commands that answer as a Slurm does with so many jobs in arrays of 1,000, all waiting."""
    folder.mkdir()
    (folder / "number").write_text("0\n")
    texts = {
        "sbatch": _PLAYED_SBATCH.format(folder=folder),
        "squeue": _PLAYED_SQUEUE.format(python=sys.executable, jobs=jobs),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
