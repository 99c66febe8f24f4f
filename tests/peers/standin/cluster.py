"""A stand-in for a batch system: commands in a folder, and the process that runs the jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from tests.peers.standin.store import Job, Store

_ROOT = Path(__file__).resolve().parents[3]


class StandIn:
    """Commands that answer as the real ones were recorded to, and jobs that run.

    Attributes:
        commands: The folder with the commands.
    """

    store: ClassVar[type[Store]]
    names: ClassVar[Iterable[str]]
    """Of the commands."""
    client: ClassVar[str]
    """The module whose ``main`` runs a command."""
    runner: ClassVar[str]
    """The module whose ``main`` runs the jobs."""

    def __init__(self, folder: Path, *, python: str = sys.executable, **config: Any) -> None:
        """Make the folder.

        Args:
            python: Runs the commands, for whoever runs them.
            config: What is otherwise than in the store's defaults.
        """
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        self.folder = folder
        self._python = python
        self.commands = folder / "bin"
        self._config = config
        self._write("config.json", config)
        before = os.umask(0)
        (folder / "state.sqlite").touch(mode=0o666)
        self._store = self.store(folder)
        self._store.create()
        os.umask(before)
        self._process: subprocess.Popen[bytes] | None = None
        self.commands.mkdir(exist_ok=True)
        for name in self.names:
            self._write_command(name)
        (folder / "runner.py").write_text(
            f"import sys\nfrom pathlib import Path\nsys.path.insert(0, {str(_ROOT)!r})\n"
            f"from {self.runner} import main\nmain(Path({str(folder)!r}))\n"
        )

    def start(self) -> None:
        """Begin to run jobs."""
        with (self.folder / "runner.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", str(self.folder / "runner.py")], stdout=log, stderr=log
            )

    def stop(self) -> None:
        """End all that the cluster runs, and see that nothing of it had failed."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
        log = (
            (self.folder / "runner.log").read_text()
            if (self.folder / "runner.log").exists()
            else ""
        )
        assert not log, log

    def configure(self, **config: Any) -> None:
        """Change what kind of cluster it is, from now on."""
        self._config |= config
        self._write("config.json", self._config)

    def fail(self, **faults: dict[str, Any]) -> None:
        """Have commands go wrong as told (see ``client``); with nothing, all is well again."""
        marked = {name: {"id": uuid.uuid4().hex, **fault} for name, fault in faults.items()}
        self._write("faults.json", marked)

    def faults(self) -> int:
        """How often something has gone wrong, of what goes wrong some ``times``."""
        return sum((self._store.value("faults") or {}).values())

    def run(
        self, command: str, *arguments: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would."""
        return subprocess.run(
            [str(self.commands / command), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def jobs(self) -> list[Job]:
        """What there is in truth, whoever may see it."""
        return self._store.jobs()

    def begin_at(self, number: int) -> None:
        """Give the next job this number."""
        with self._store.writing():
            self._store.set_value("next_job_number", number)

    def clear(self) -> None:
        """Lose all jobs and begin to number anew, as a server that was set up again."""
        with self._store.writing():
            self._store.clear()

    def _write(self, name: str, content: Any) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(json.dumps(content))
        os.rename(new, self.folder / name)

    def _write_command(self, name: str) -> None:
        path = self.commands / name
        path.write_text(
            f"#!{self._python} -SE\nimport os, sys\nfrom pathlib import Path\n"
            f"sys.path.insert(0, {str(_ROOT)!r})\n"
            f"from {self.client} import main\n"
            f"code = main({name!r}, Path({str(self.folder)!r}), sys.argv[1:])\n"
            "sys.stdout.flush()\nsys.stderr.flush()\nos._exit(code)\n"
        )
        path.chmod(0o755)
