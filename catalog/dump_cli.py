"""``ijpd catalog``: the whole catalog as a file, and back."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from catalog import shell
from catalog.authz.caller import Caller
from catalog.port import export, importing
from catalog.port.options import Attributes, Duplicate
from servicekit.cli import SETTINGS

OPERATOR = Caller("ijpd", is_root=True)
"""Who has created what an import without stamps stores."""

_PIECE_BYTES = 2**16
_TOLD_EACH = 10_000

_ATTRIBUTES = click.option(
    "--attributes",
    type=click.Choice([one.value for one in Attributes], case_sensitive=False),
    default=Attributes.ALL.value,
    show_default=True,
    help="ALL is with who made and last changed each object, and when.",
)


@click.group()
def catalog() -> None:
    """Write the catalog to a file, or read one, in the format of ICAT's dumps (version 1.0)."""


@catalog.command("export")
@SETTINGS
@_ATTRIBUTES
@click.option("--query", help="Write what this query gives and includes, not everything.")
@click.argument("file")
def export_command(settings_file: Path, attributes: str, query: str | None, file: str) -> None:
    """Write the catalog to FILE, or to standard output if it is -.

    FILE is there when it is whole, and not before; one that was there is replaced then.
    """
    told = _Told("written")
    with shell.transactions(settings_file) as (given, transactions):
        pieces = export.dump(
            transactions,
            OPERATOR,
            query=query,
            attributes=Attributes(attributes.upper()),
            max_entities=given.max_entities,
            progress=told,
        )
        if file == "-":
            _write(pieces, sys.stdout.buffer)
        else:
            _write_whole(pieces, Path(file))
    told.end()


@catalog.command("import")
@SETTINGS
@_ATTRIBUTES
@click.option(
    "--duplicate",
    type=click.Choice([one.value for one in Duplicate], case_sensitive=False),
    default=Duplicate.THROW.value,
    show_default=True,
    help="What to do with a row whose key is there: stop, go on, stop unless equal, or replace.",
)
@click.argument("file")
def import_command(settings_file: Path, attributes: str, duplicate: str, file: str) -> None:
    """Read FILE, or standard input if it is -, into the catalog.

    An error names its line; the rows before it are stored, so that an import can be taken up
    again with --duplicate IGNORE.
    """
    told = _Told("read")
    with shell.transactions(settings_file) as (_, transactions), _opened(file) as source:
        importing.load(
            transactions,
            OPERATOR,
            iter(lambda: source.read(_PIECE_BYTES), b""),
            duplicate=Duplicate(duplicate.upper()),
            attributes=Attributes(attributes.upper()),
            progress=told,
        )
    told.end()


commands: list[click.Command] = [catalog]


class _Told:
    """Says on standard error how far it is."""

    def __init__(self, done: str) -> None:
        self._done = done
        self._rows: dict[str, int] = {}
        self._said = 0

    def __call__(self, name: str, rows: int) -> None:
        if name not in self._rows:
            self._finish()
            self._said = 0
        self._rows[name] = rows
        if rows >= self._said + _TOLD_EACH:
            self._said = rows
            click.echo(f"{name}: {rows} …", err=True)

    def _finish(self) -> None:
        if self._rows:
            name, rows = list(self._rows.items())[-1]
            click.echo(f"{name}: {rows}", err=True)

    def end(self) -> None:
        """Say what was done in all."""
        self._finish()
        click.echo(f"{sum(self._rows.values())} objects {self._done}", err=True)


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from error
    with source:
        yield source


def _write(pieces: Iterable[bytes], target: IO[bytes]) -> None:
    for piece in pieces:
        target.write(piece)
    target.flush()


def _write_whole(pieces: Iterable[bytes], path: Path) -> None:
    """Write a file that is whole or not there, for its owner's eyes only."""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as file:
            try:
                _write(pieces, file)
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
