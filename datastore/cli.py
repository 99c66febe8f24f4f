"""Commands of the data service: ``ijpd datastore``."""

from __future__ import annotations

from pathlib import Path

import click

from datastore.app import sweep_of
from servicekit.cli import SETTINGS
from servicekit.embedded import Process


@click.group()
def datastore() -> None:
    """Look after the data service's storage."""


@datastore.command()
@SETTINGS
def sweep(settings_file: Path) -> None:
    """Remove files that a crash left without a Datafile; also done at start and every hour.

    Only files that were last written more than an hour ago are looked at, and a file that the
    catalog knows is never removed. Needs the account [datastore.reader] of the settings, which
    must be allowed to read every Datafile.
    """
    swept = sweep_of(settings_file, Process(settings_file).http).run()
    for word, locations in (("removed", swept.removed), ("kept", swept.kept)):
        for location in locations:
            click.echo(f"{word} {location}")
    for location in swept.unclear:
        click.echo(f"unclear {location}: the reader account cannot tell")
    click.echo(f"{len(swept.removed)} removed, {len(swept.unclear)} unclear")


commands: list[click.Command] = [datastore]
