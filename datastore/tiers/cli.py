"""Commands about the second level: ``ijpd datastore check|tidy|queue``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from datastore.app import tiers_of
from datastore.tiers.making import Tiers
from servicekit.cli import SETTINGS
from servicekit.embedded import Process


def _tiers(settings_file: Path) -> Tiers:
    tiers = tiers_of(settings_file, Process(settings_file).http)
    if tiers is None:
        raise click.ClickException(f"{settings_file}: there is no table [datastore.archive]")
    return tiers


@click.command()
@SETTINGS
def check(settings_file: Path) -> None:
    """Read everything in the archive and compare it with the catalog.

    Ends with status 1 if something is not what it should be.
    """
    faults = _tiers(settings_file).checker.check_all()
    for fault in faults:
        click.echo(str(fault))
    if faults:
        sys.exit(1)


@click.command()
@SETTINGS
def tidy(settings_file: Path) -> None:
    """Have the longest unused data archived, if the main storage is too full."""
    asked = _tiers(settings_file).tidier.run()
    click.echo(f"{asked} asked for")


@click.command()
@SETTINGS
def queue(settings_file: Path) -> None:
    """Show what is queued or moved, what is locked, and what was given up.

    First how much there is by user, then what is next, as far as a thousand.
    """
    found = _tiers(settings_file).levels.overview()
    for share in found.shares:
        counts = f"{share.running} running\t{share.waiting} waiting"
        click.echo(f"{share.request}\tfor {share.asker or 'the service'}\t{counts}")
    for thing, request in found.under_way:
        click.echo(f"{request}\t{thing.key}")
    for lock in found.locks:
        kind = "exclusive" if lock.exclusive else "shared"
        click.echo(f"LOCK\tdataset {lock.dataset_id}\t{kind}\t{lock.count}")
    for thing, operation, why in found.failures:
        click.echo(f"FAILED {operation}\t{thing.key}\t{why}")


commands = [check, tidy, queue]
