"""A tape library on a folder, as slow as one: tapes, a few drives, mounts, and a queue.

``python -m datastore.storages.tape_library --folder F put KEY PATH`` and so on: commands like
those of an HSM, for sites that try two levels out, and for tests. A tape is a folder of files
named after their keys; a file does not move once it is written. A drive is a lock and the name of
the tape in it. Who finds no free drive waits.

A file ``reliability`` in the folder has the share of commands, from 0 to 1, that do not fail.
"""

from __future__ import annotations

import fcntl
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import quote

import click

from datastore.storages.placing import place
from datastore.storages.tape import NO_SPACE, NOTHING_THERE
from ijp.errors import TooLargeError

_LOOK_AGAIN_SECONDS = 0.02


@dataclass(frozen=True)
class Library:
    """The library of a folder, and how fast it is."""

    folder: Path
    drives: int
    mount_seconds: float
    tape_bytes: int
    bytes_a_second: float

    def put(self, key: str, path: Path) -> None:
        """Write a content to the newest tape that has space, or to a new one."""
        with path.open("rb") as content, self._catalog():
            size = os.fstat(content.fileno()).st_size
            before = self.tape_of(key)
            tape = self._tape_for(size)
            with self.mounted(tape):
                self._pass(size)
                _write(content, tape / _name(key), self.folder)
            if before not in (None, tape):
                (before / _name(key)).unlink(missing_ok=True)

    def get(self, pairs: Sequence[tuple[str, Path]]) -> Iterator[tuple[str, str]]:
        """Copy contents to paths, tape by tape; gives why one could not be, by key."""
        by_tape: dict[Path, list[tuple[str, Path]]] = {}
        for key, path in pairs:
            tape = self.tape_of(key)
            if tape is None:
                yield key, "the library has nothing of it"
            else:
                by_tape.setdefault(tape, []).append((key, path))
        for tape in sorted(by_tape):
            with self.mounted(tape):
                for key, path in by_tape[tape]:
                    with (tape / _name(key)).open("rb") as content:
                        self._pass(os.fstat(content.fileno()).st_size)
                        _write(content, path, path.parent)

    def delete(self, key: str) -> bool:
        """Forget a content; gives whether there was one."""
        with self._catalog():
            tape = self.tape_of(key)
            if tape is not None:
                (tape / _name(key)).unlink()
        return tape is not None

    def tape_of(self, key: str) -> Path | None:
        """The tape that has a content; the last, should a crash have left two."""
        found = [tape for tape in self._tapes() if (tape / _name(key)).exists()]
        return found[-1] if found else None

    def _tapes(self) -> list[Path]:
        return sorted((self.folder / "tapes").iterdir())

    def _tape_for(self, size: int) -> Path:
        tapes = self._tapes()
        if tapes:
            used = sum(one.stat().st_size for one in tapes[-1].iterdir())
            if used + size <= self.tape_bytes or not used:
                return tapes[-1]
        tape = self.folder / "tapes" / f"{len(tapes) + 1:06}"
        tape.mkdir()
        return tape

    @contextmanager
    def mounted(self, tape: Path) -> Iterator[None]:
        """A drive with a tape in it, as soon as one is free; no tape is in two."""
        with _locked(self.folder / f"tape-{tape.name}.lock"):
            drive, lock = self._free_drive(tape)
            with lock:
                if not drive.exists() or drive.read_text() != tape.name:
                    time.sleep(self.mount_seconds)
                    drive.write_text(tape.name)
                yield

    def _free_drive(self, tape: Path) -> tuple[Path, IO[str]]:
        """A drive and its lock, best the one that has the tape already."""
        drives = [self.folder / f"drive-{number}" for number in range(self.drives)]
        while True:
            loaded = [one for one in drives if one.exists() and one.read_text() == tape.name]
            for drive in (*loaded, *drives):
                lock = drive.with_suffix(".lock").open("w")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.close()
                else:
                    return drive, lock
            time.sleep(_LOOK_AGAIN_SECONDS)

    @contextmanager
    def _catalog(self) -> Iterator[None]:
        with _locked(self.folder / "catalog.lock"):
            yield

    def _pass(self, size: int) -> None:
        time.sleep(size / self.bytes_a_second)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _name(key: str) -> str:
    return quote(key, safe="")


def _write(content: BinaryIO, path: Path, root: Path) -> None:
    place(content, path, root, link=False)


@click.group()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--drives", type=click.IntRange(1), default=2, show_default=True)
@click.option("--mount-seconds", type=click.FloatRange(0), default=30.0, show_default=True)
@click.option("--tape-bytes", type=click.IntRange(1), default=1 << 40, show_default=True)
@click.option("--bytes-a-second", type=click.FloatRange(1), default=3e8, show_default=True)
@click.pass_context
def main(
    context: click.Context,
    folder: Path,
    drives: int,
    mount_seconds: float,
    tape_bytes: int,
    bytes_a_second: float,
) -> None:
    """A tape library on a folder."""
    (folder / "tapes").mkdir(parents=True, exist_ok=True, mode=0o700)
    context.obj = Library(folder, drives, mount_seconds, tape_bytes, bytes_a_second)
    with suppress(FileNotFoundError):
        if random.random() > float((folder / "reliability").read_text()):  # noqa: S311
            sys.exit("the tape is torn")


@main.command()
@click.argument("key")
@click.argument("path", type=click.Path(path_type=Path))
@click.pass_obj
def put(library: Library, key: str, path: Path) -> None:
    """Keep the file PATH under KEY."""
    try:
        library.put(key, path)
    except TooLargeError as error:
        click.echo(error.message, err=True)
        sys.exit(NO_SPACE)


@main.command()
@click.argument("pairs", nargs=-1)
@click.pass_obj
def get(library: Library, pairs: Sequence[str]) -> None:
    """Make files: KEY PATH KEY PATH and so on."""
    listed = list(zip(pairs[::2], map(Path, pairs[1::2]), strict=True))
    for key, reason in library.get(listed):
        click.echo(f"{key}\t{reason}")


@main.command()
@click.argument("key")
@click.pass_obj
def size(library: Library, key: str) -> None:
    """Print the bytes under KEY."""
    tape = library.tape_of(key)
    if tape is None:
        sys.exit(NOTHING_THERE)
    click.echo((tape / _name(key)).stat().st_size)


@main.command()
@click.argument("key")
@click.pass_obj
def delete(library: Library, key: str) -> None:
    """Forget what is under KEY."""
    if not library.delete(key):
        sys.exit(NOTHING_THERE)


if __name__ == "__main__":
    main()
