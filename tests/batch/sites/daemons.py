"""Daemons that tests start in the foreground, as their own children, and stop by their pids."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Daemons:
    """Started in order, stopped in the opposite one; they end with the process that tests."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start one, as an account of its own if told."""
        become = ["--reuid", user, "--regid", user, "--init-groups"] if user else []
        with open(self._logs / f"{name}.out", "ab") as log:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *become, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})},
                start_new_session=True,
            )

    def pid(self, name: str) -> int:
        """The pid of one."""
        return self._running[name].pid

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Tell one to stop by a signal, and wait until it is gone."""
        daemon = self._running.pop(name)
        daemon.send_signal(number)
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def stop_all(self) -> None:
        """Stop those that run, the last first."""
        for name in reversed(list(self._running)):
            self.stop(name)

    def wait_until(self, claim: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
        """Wait until a claim is true, or fail with the ends of the logs."""
        end = time.monotonic() + seconds
        while not claim():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come up in {seconds} s\n{self.logs()}")
            time.sleep(0.05)

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self._logs.iterdir())
            if path.is_file()
        )


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def printed(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd="/",
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout
