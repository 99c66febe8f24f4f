"""An archive behind commands, such as those of a tape library's HSM.

Each command is a list of arguments, in which ``{key}``, ``{path}`` and ``{pairs}`` stand for what
it is about. Without commands in the settings a library of our own is used, which behaves like one
of tapes on a folder: see ``tape_library``.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from datastore.storage import KEY, Archive
from datastore.storages.placing import place
from ijp.errors import InternalError, NotFoundError, TooLargeError, UnavailableError

log = logging.getLogger(__name__)

NOTHING_THERE = 44
"""Exit status of a command that finds nothing under the key."""
NO_SPACE = 28
"""Exit status of a command that has no space left."""

_LONGEST_SECONDS = 24 * 3600.0
_LEFT_SECONDS = 2 * _LONGEST_SECONDS
_TOLD = 300
_LIBRARY = [sys.executable, "-m", "datastore.storages.tape_library"]
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "put": ("{key}", "{path}"),
    "get": ("{pairs}",),
    "size": ("{key}",),
    "delete": ("{key}",),
}
"""Commands with what each must have in its arguments."""

_SIMULATED = {"drives", "mount_seconds", "tape_bytes", "bytes_a_second"}


class TapeArchive(Archive):
    """Contents kept by commands.

    Settings: ``put``, ``get``, ``size`` and ``delete``, all or none, and ``timeout_seconds``.
    ``get`` has ``{pairs}`` as an argument of its own, for which key, path, key, path and so on
    are put in; it makes the files that it can and prints ``key<TAB>reason`` for each other one.
    ``size`` prints the bytes in decimal. Without commands: ``drives``, ``mount_seconds``,
    ``tape_bytes`` and ``bytes_a_second`` of the library that is simulated.
    """

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        given = dict(settings)
        self._timeout = _seconds(given.pop("timeout_seconds", _LONGEST_SECONDS))
        own = {name: given.pop(name) for name in _COMMANDS if name in given}
        simulated = {name: given.pop(name) for name in sorted(_SIMULATED) if name in given}
        if given:
            raise ValueError(f"the tape archive has no settings {', '.join(sorted(given))}")
        if own and simulated:
            raise ValueError(f"the tape archive has commands, so {sorted(simulated)[0]} is no use")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._commands = _checked(own) if own else _simulation(simulated, folder)
        self._folder = folder
        self._staging = folder / "staging"
        self._staging.mkdir(exist_ok=True, mode=0o700)
        self._tidy()

    def put(self, key: str, content: BinaryIO) -> None:
        path = self._staged()
        self._recalled(_key(key)).unlink(missing_ok=True)
        try:
            place(content, path, self._folder, link=True)
            self._run("put", key, path=path)
        finally:
            path.unlink(missing_ok=True)

    def recall(self, keys: Sequence[str]) -> dict[str, str]:
        wanted = {_key(key): self._recalled(key) for key in keys}
        asked = {key: path for key, path in wanted.items() if not path.exists()}
        if not asked:
            return {}
        pairs = [text for key, path in asked.items() for text in (key, str(path))]
        told = dict(line.partition("\t")[::2] for line in self._get(pairs))
        return {
            key: told.get(key) or "the archive did not deliver it"
            for key, path in asked.items()
            if not path.exists()
        }

    def open(self, key: str) -> BinaryIO:
        path = self._recalled(_key(key))
        if reason := self.recall([key]).get(key):
            if self.size(key) is None:
                raise NotFoundError(f"the archive has nothing under {key}")
            raise InternalError(f"{key} cannot be read in the archive: {reason}")
        try:
            return path.open("rb")
        except OSError as error:
            raise InternalError(f"{key} cannot be read as the archive delivered it") from error
        finally:
            # what is open stays until it is closed
            path.unlink(missing_ok=True)

    def size(self, key: str) -> int | None:
        _key(key)
        try:
            text = self._run("size", key).strip()
        except NotFoundError:
            return None
        if not (text.isascii() and text.isdigit()):
            raise InternalError(f"the archive's command for sizes printed {text[:80]!r}")
        return int(text)

    def delete(self, key: str) -> None:
        self._recalled(_key(key)).unlink(missing_ok=True)
        with suppress(NotFoundError):
            self._run("delete", key)

    def _get(self, pairs: Sequence[str]) -> list[str]:
        try:
            return self._run("get", "", pairs=pairs).splitlines()
        except (InternalError, NotFoundError) as error:
            log.warning("recall from the archive: %s", error.message)
            return [f"{key}\t{error.message}" for key in pairs[::2]]

    def _recalled(self, key: str) -> Path:
        return self._staging / f"recalled-{key.replace('/', '%')}"

    def _tidy(self) -> None:
        """Remove what a crash has left long ago."""
        for path in self._staging.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                    path.unlink()

    def _staged(self) -> Path:
        return self._staging / f"put-{uuid.uuid4()}"

    def _run(
        self, name: str, key: str, *, path: Path | None = None, pairs: Sequence[str] = ()
    ) -> str:
        """Run a command; gives what it printed."""
        command = [
            text
            for part in self._commands[name]
            for text in (
                pairs if part == "{pairs}" else [_filled(part, {"key": key, "path": str(path)})]
            )
        ]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except OSError as error:
            log.exception("the archive's command %s cannot be run", command[0])
            raise UnavailableError(f"the archive's command {name} cannot be run") from error
        except subprocess.TimeoutExpired as error:
            log.exception("the archive's command %s does not come to its end", command[0])
            raise InternalError(f"the archive's command {name} did not end in time") from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace")
        if done.returncode == NOTHING_THERE:
            raise NotFoundError(f"the archive has nothing under {key}")
        if done.returncode == NO_SPACE:
            raise TooLargeError("there is no space left in the archive")
        said = done.stderr.decode("utf-8", "replace").strip()[-_TOLD:]
        log.error("the archive's command %s ended with %d: %s", name, done.returncode, said)
        raise InternalError(f"the archive's command {name} ended with {done.returncode}")


def _key(key: str) -> str:
    if not KEY.fullmatch(key):
        raise NotFoundError(f"{key[:80]!r} is not a key of an archive")
    return key


def _filled(part: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if part == "{" + name + "}":
            return value
    return part


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"timeout_seconds of the tape archive is {value!r}, not above 0")
    return float(value)


def _checked(commands: Mapping[str, object]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, needed in _COMMANDS.items():
        command = commands.get(name)
        if not isinstance(command, list) or not all(isinstance(one, str) for one in command):
            raise ValueError(f"the tape archive needs {name}, a list of arguments: {command!r}")
        for part in needed:
            if part not in command[1:]:
                raise ValueError(f"{name} of the tape archive has no argument {part}: {command!r}")
        found[name] = command
    return found


def _simulation(settings: Mapping[str, object], folder: Path) -> dict[str, list[str]]:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    start = [*_LIBRARY, f"--folder={folder / 'library'}", *options]
    return {name: [*start, name, *needed] for name, needed in _COMMANDS.items()}
