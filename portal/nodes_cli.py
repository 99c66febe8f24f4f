"""Hosts for whoever runs the portal, without its pages: ``ijpd nodes``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy import Engine

from portal import engines, monitoring, settings
from portal.engines import Engines
from portal.nodes import NodeRecord, nodes_of, set_offline, set_online, silent_sources
from portal.settings import PortalSettings
from servicekit import database
from servicekit.cli import SETTINGS

_BY = "operator"
_ENGINE = click.option(
    "--engine", default="", help="Which batch system's, where several have a host of this name."
)


@click.group()
def nodes() -> None:
    """See the hosts that run jobs, and set them offline."""


@nodes.command("list")
@SETTINGS
@click.option("--now", is_flag=True, help="Ask everybody first, rather than show what is kept.")
def list_nodes(settings_file: Path, now: bool) -> None:
    """List the hosts, and who does not answer."""
    with _services(settings_file) as services:
        if now:
            monitoring.Monitoring(services).look()
        for one in nodes_of(services):
            click.echo(_line(one))
        for source in silent_sources(services):
            click.echo(f"{source.name} does not answer: {source.fault}", err=True)


@nodes.command()
@SETTINGS
@click.argument("name", metavar="HOST")
@click.argument("note")
@_ENGINE
def offline(settings_file: Path, name: str, note: str, engine: str) -> None:
    """Have no new jobs start on HOST; NOTE says why, for everybody to see."""
    with _services(settings_file) as services:
        monitoring.Monitoring(services).look()
        click.echo(_line(set_offline(services, _BY, name, note=note, engine=engine)))


@nodes.command()
@SETTINGS
@click.argument("name", metavar="HOST")
@_ENGINE
def online(settings_file: Path, name: str, engine: str) -> None:
    """Let HOST run jobs again."""
    with _services(settings_file) as services:
        monitoring.Monitoring(services).look()
        click.echo(_line(set_online(services, _BY, name, engine=engine)))


@dataclass(frozen=True)
class _Batch:
    """What is needed to know the hosts."""

    settings: PortalSettings
    database: Engine
    engines: Engines


@contextmanager
def _services(settings_file: Path) -> Iterator[_Batch]:
    found = settings.read(settings_file)
    tables = database.engine_for(found.database_url, "portal")
    made = _Batch(found, tables, engines.make(found))
    try:
        yield made
    finally:
        made.engines.close()
        tables.dispose()


def _line(one: NodeRecord) -> str:
    state = "takes jobs" if one.online else "takes none"
    load = "" if one.load_1 is None else f"load {one.load_1:.2f}"
    return (
        f"{one.engine:12} {one.name:24} {state:10} {one.slots_used:>4}/{one.slots:<4} "
        f"{load:12} {one.reason or one.state}"
    ).rstrip()


commands: list[click.Command] = [nodes]
