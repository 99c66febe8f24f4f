"""Running the commands of a batch system: the only place where this package starts them.

The commands of different systems have the same names, so they are looked for in one configured
folder and never on a PATH. They get an environment of their own, no standard input but what is
given, a time limit, and a limit to what is read of them; no shell is involved.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batch import metrics
from ijp.errors import BadRequestError, EngineError

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_RUNUSER = "/usr/sbin/runuser"
_ENV = "/usr/bin/env"
_CHUNK_BYTES = 256 * 1024
_SHOWN = 300


@dataclass(frozen=True)
class Answer:
    """What a command said; bytes that are not UTF-8 are replaced."""

    command: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def first_line(self) -> str:
        """The first line with something in it, of standard error rather than output."""
        lines = (line.strip() for line in f"{self.stderr}\n{self.stdout}".splitlines())
        return next((line[:_SHOWN] for line in lines if line), "it said nothing")


class CommandFailedError(EngineError):
    """A command ran and failed; ``answer`` has all of it, for engines that know what it means."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.command}: exit code {answer.exit_code}: {answer.first_line}")
        self.answer = answer


@dataclass(frozen=True, kw_only=True)
class Commands:
    """How commands are run.

    Attributes:
        folder: Where they are.
        environment: All that they get, over a plain PATH, UTC and a locale.
        timeout_seconds: After this a command and what it started are killed.
        output_limit_bytes: A command that writes more is killed.
        engine: Whose commands they are, for the metrics.
        named_by: Which argument names what is done, for the metrics.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 60.0
    output_limit_bytes: int = 512 * 1024 * 1024
    engine: str = ""
    named_by: int = 0

    def run(
        self,
        arguments: Sequence[str],
        *,
        user: str = "",
        stdin: str = "",
        keep: Sequence[int] = (),
    ) -> Answer:
        """Run a command to its end.

        Args:
            arguments: Its name, without a folder, and what it gets.
            user: Run it as this Unix account, with nothing of this process's environment; only
                root can. "" is as oneself.
            stdin: What it can read.
            keep: Descriptors that it inherits, such as that of a lock that is to be held as long
                as the command runs, should this process die before it.

        Raises:
            CommandFailedError: Its exit code is not 0.
            EngineError: It cannot be started, took too long or wrote too much.
            BadRequestError: This is not the name of an account.
        """
        name = arguments[0]
        if "/" in name:
            raise ValueError(f"a command's name has no folder: {name!r}")
        line = [str(self.folder / name), *arguments[1:]]
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        environment |= self.environment
        if user:
            line = [*_as_user(user), *(f"{key}={text}" for key, text in environment.items()), *line]
        with metrics.called(self.engine, arguments[self.named_by]):
            answer = self._run(line, " ".join(arguments)[:_SHOWN], environment, stdin, keep)
            if answer.exit_code:
                raise CommandFailedError(answer)
        return answer

    def _run(
        self,
        line: Sequence[str],
        shown: str,
        environment: Mapping[str, str],
        stdin: str,
        keep: Sequence[int],
    ) -> Answer:
        try:
            process = subprocess.Popen(
                line,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
                pass_fds=keep,
            )
        except (OSError, ValueError) as error:
            raise EngineError(f"{line[0]} cannot be run: {error}") from error
        with process:
            try:
                out, err = self._read(process, shown, stdin.encode(errors="surrogateescape"))
            except BaseException:
                _kill(process)
                raise
        return Answer(shown, process.returncode, out.decode("utf-8", "replace"), err)

    def _read(
        self, process: subprocess.Popen[bytes], shown: str, stdin: bytes
    ) -> tuple[bytes, str]:
        """Write and read until the command has ended; what it left running is not waited for."""
        until = time.monotonic() + self.timeout_seconds
        assert process.stdout
        assert process.stderr
        found: dict[int, list[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
        read_bytes = 0
        ended = os.pidfd_open(process.pid)
        with selectors.DefaultSelector() as selector, os.fdopen(ended):
            for pipe in (process.stdout, process.stderr):
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            if process.stdin:
                os.set_blocking(process.stdin.fileno(), False)
                selector.register(process.stdin, selectors.EVENT_WRITE)
            while True:
                ready = selector.select(max(until - time.monotonic(), 0))
                if not ready:
                    raise self._too_slow(shown)
                descriptors = {key.fd for key, _ in ready}
                for key, _ in ready:
                    if process.stdin and key.fileobj is process.stdin:
                        stdin = _write(key.fd, stdin)
                        if not stdin:
                            selector.unregister(process.stdin)
                            process.stdin.close()
                    elif key.fd in found:
                        chunk = _chunk(key.fd)
                        found[key.fd].append(chunk)
                        read_bytes += len(chunk)
                        if not chunk:
                            selector.unregister(key.fileobj)
                if read_bytes > self.output_limit_bytes:
                    raise EngineError(f"{shown}: wrote more than {self.output_limit_bytes} bytes")
                if descriptors == {ended}:
                    break
        process.wait()
        out, err = (b"".join(found[pipe.fileno()]) for pipe in (process.stdout, process.stderr))
        return out, err.decode("utf-8", "replace")

    def _too_slow(self, shown: str) -> EngineError:
        return EngineError(f"{shown}: no answer after {self.timeout_seconds:g} s")


def _chunk(descriptor: int) -> bytes:
    """What can be read; nothing at the end."""
    try:
        return os.read(descriptor, _CHUNK_BYTES)
    except BlockingIOError:
        return b""


def _write(descriptor: int, text: bytes) -> bytes:
    """Write what fits; gives the rest, nothing if the command does not want it."""
    try:
        return text[os.write(descriptor, text[:_CHUNK_BYTES]) :]
    except BlockingIOError:
        return text
    except BrokenPipeError:
        return b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _as_user(user: str) -> list[str]:
    if not _USER.fullmatch(user):
        raise BadRequestError(f"not the name of an account: {user!r}")
    if os.geteuid() != 0:
        raise BadRequestError(f"only root can run commands as {user!r}")
    return [_RUNUSER, "-u", user, "--", _ENV, "-i"]
