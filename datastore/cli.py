"""Commands of the data service: ``ijpd datastore``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from datastore.app import scrub_of, sweep_of
from datastore.tiers.cli import commands as tier_commands
from servicekit.cli import SETTINGS
from servicekit.embedded import Process


@click.group()
def datastore() -> None:
    """Look after the data service's storage."""


@datastore.command()
@SETTINGS
def sweep(settings_file: Path) -> None:
    """Remove files that a crash left without a Datafile; also done at start and every minute.

    Only files of processes that ended minutes ago are looked at, and those that were last written
    more than an hour ago; a file that the catalog knows is never removed.
    Needs the account [datastore.reader] of the settings, which must be allowed to read every
    Datafile.
    """
    swept = sweep_of(settings_file, Process(settings_file).http).run()
    for word, locations in (("removed", swept.removed), ("kept", swept.kept)):
        for location in locations:
            click.echo(f"{word} {location}")
    for location in swept.unclear:
        click.echo(f"unclear {location}: the reader account cannot tell")
    click.echo(f"{len(swept.removed)} removed, {len(swept.unclear)} unclear")


@datastore.command()
@SETTINGS
@click.option(
    "--days",
    type=click.FloatRange(0),
    default=30,
    show_default=True,
    help="Leave out what was stored or compared in these days; 0 for everything.",
)
def scrub(settings_file: Path, days: float) -> None:
    """Read all stored files again and compare them with what they were when they were stored.

    A run that was broken off goes on when the command is given again: what it has compared is
    left out for some days. A file of which there is no record, as after a power cut, is compared
    with the catalog's CRC-32 and recorded; for that the account [datastore.reader] of the settings
    is needed. Ends with status 1 if a file is not what it was.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    work = scrub_of(settings_file, Process(settings_file).http)
    found = work.run(before, lambda location, fault: click.echo(f"{location}: {fault}"))
    also = {
        "not on disk": found.absent,
        "recorded now, as the catalog has them": found.recorded,
        "without record and checksum": found.unknown,
    }
    told = "".join(f", {count} {what}" for what, count in also.items() if count)
    click.echo(
        f"{found.good} files as they were ({found.bytes} bytes read){told}, {len(found.faults)} not"
    )
    if found.faults:
        sys.exit(1)


@datastore.command()
@SETTINGS
def faults(settings_file: Path) -> None:
    """Show the files that were found missing or changed, by a download or by scrub.

    A file that is as it was again is left out after the next scrub of it. Ends with status 1 if
    there are any.
    """
    marked = scrub_of(settings_file, Process(settings_file).http).marked()
    for location, fault in marked:
        click.echo(f"{location}: {fault}")
    if marked:
        sys.exit(1)


for command in tier_commands:
    datastore.add_command(command)

commands: list[click.Command] = [datastore]
