"""A program of the local engine in an account of a pool, which the account helper runs for it."""

from __future__ import annotations

import json
import os
import signal
import socket

from batch.local.launch import NoAccountError, NotStartedError, Program, RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_JOB_FILE = b"IJP_JOB_FILE"
_DEFAULT_FAMILY = "default"
_HELPER_GONE = 126


class Lease:
    """An account that is locked, and clean, for one job; its helper waits for the program."""

    def __init__(self, helper: Sequence[str], family: str, mark: str) -> None:
        """Have one; a job that says no family gets an account of the default one.

        Raises:
            NoAccountError: All are in use, or the helper cannot be run.
            RefusedError: There is no such family.
        """
        self._socket, theirs = socket.socketpair()
        self._text = b""
        try:
            self.pid = os.posix_spawn(
                helper[0],
                [*helper, "run", family or _DEFAULT_FAMILY, mark],
                {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
                setsid=True,
            )
        except OSError as error:
            self._socket.close()
            raise NoAccountError(f"{helper[0]} cannot be run: {error.strerror}") from error
        finally:
            theirs.close()
        told = self._hear()
        if "account" not in told:
            self.close()
            if "refused" in told:
                raise RefusedError(str(told["refused"]))
            raise NoAccountError(str(told.get("busy", "the account helper failed; see its log")))
        self.account = str(told["account"])

    def close(self) -> None:
        """Give the account back, or up, and wait until the helper has cleaned it."""
        self._socket.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            return

    def program(self, mark: str, argv: bytes, environment: bytes) -> Program:
        """A program that is to be run in this account."""
        return PooledProgram(self, mark, argv, environment)

    def start(self, request: dict[str, Any], outputs: Sequence[int]) -> int:
        """Run a program with these outputs; gives the process that all of it is below.

        Raises:
            NotStartedError: It could not be started.
        """
        try:
            socket.send_fds(self._socket, [b"R"], list(outputs))
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise NotStartedError(f"the account helper: {error.strerror}", _HELPER_GONE) from error
        told = self._hear()
        if "top" in told:
            return int(told["top"])
        why = str(told.get("not_started") or told.get("busy") or told.get("refused") or "it failed")
        raise NotStartedError(why, int(told.get("exit_code", _HELPER_GONE)))

    def ask_to_end(self) -> None:
        """Ask the program to end."""
        try:
            self._socket.sendall(b"t")
        except OSError:  # it has ended
            return

    def kill(self) -> None:
        """Have the helper kill all that there is; it says nothing more."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def status(self) -> int | None:
        """After the helper's end, the wait status of the program; None if it had to be killed."""
        told = self._hear()
        found = told.get("status")
        return found if isinstance(found, int) else None

    def _hear(self) -> dict[str, Any]:
        """The next thing that the helper says; nothing if it is gone."""
        try:
            while b"\n" not in self._text:
                part = self._socket.recv(65536)
                if not part:
                    return {}
                self._text += part
        except OSError:
            return {}
        line, _, self._text = self._text.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told


class PooledProgram(Program):
    """A program that the helper starts, watches and ends."""

    def __init__(self, lease: Lease, mark: str, argv: bytes, environment: bytes) -> None:
        super().__init__(mark, argv, environment, b"")
        self._lease = lease

    def start(self, outputs: Sequence[int], *, cpu_seconds: int | None, process_limit: int) -> int:
        self.pid = self._lease.pid
        job_file = self.environment.get(_JOB_FILE)
        request = {
            "argv": [os.fsdecode(text) for text in self.argv],
            "environment": {
                os.fsdecode(name): os.fsdecode(value) for name, value in self.environment.items()
            },
            "job_file": None if job_file is None else _content(job_file),
            "cpu_seconds": cpu_seconds,
            "process_limit": process_limit,
            "nicer": self.nicer,
        }
        try:
            self.top = self._lease.start(request, outputs)
        except NotStartedError:
            self._lease.close()
            raise
        return self.pid

    def ask_to_end(self) -> None:
        self._lease.ask_to_end()

    def kill(self) -> None:
        self._lease.kill()

    def exit_of(self, status: int) -> int:
        found = self._lease.status()
        if found is not None:
            return os.waitstatus_to_exitcode(found)
        return -signal.SIGKILL


def _content(path: bytes) -> str:
    """A job's file, which only the portal's account can read."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise NotStartedError(f"the job's file cannot be read: {error.strerror}", 126) from error
