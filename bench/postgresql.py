"""A real PostgreSQL server of one's own, on the loopback interface, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class NotInstalledError(Exception):
    """PostgreSQL is not on this machine."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if program := shutil.which("initdb"):
        return Path(program).parent
    raise NotInstalledError("PostgreSQL is not installed; `make test` installs it as root")


@contextmanager
def server(
    folder: Path, settings: Mapping[str, str] | None = None, *, kept: bool = False
) -> Iterator[str]:
    """The URL of a server, without a database name; it ends with the block.

    Started by root it runs as ``postgres``, as it refuses to be root: the folder must be one that
    ``postgres`` can reach.

    Args:
        settings: Of PostgreSQL, beside those for a server that need not survive.
        kept: Start what is in the folder already, and end it so that it can be started again.

    Raises:
        NotInstalledError: There is none on this machine.
    """
    programs, data, port = _programs(), folder / "data", free_port()
    as_user = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        shutil.chown(folder, "postgres", "postgres")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}

    def run(*command: str) -> None:
        subprocess.run(
            [*as_user, *command], check=True, env=environment, cwd="/", stdout=subprocess.DEVNULL
        )

    if not (kept and data.exists()):
        run(str(programs / "initdb"), "-D", str(data), "-U", "ijp", "-A", "trust", "--no-sync")
    given = {"listen_addresses": "127.0.0.1", "fsync": "off", **(settings or {})}
    options = f"-p {port} -k {folder} " + " ".join(f"-c {one}={given[one]}" for one in given)
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    run(*control, "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg2://ijp@127.0.0.1:{port}"
    finally:
        run(*control, "-m", "fast" if kept else "immediate", "stop")
