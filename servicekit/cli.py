"""The command ``ijpd``: what runs the services; each service adds commands of its own."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from ijp.errors import PortalError
from servicekit import serve as serving
from servicekit import throw_away
from servicekit.plugins import PluginError
from servicekit.service import services
from servicekit.settings import SettingsError

SETTINGS = click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="IJP_SETTINGS",
    default=Path("ijp.toml"),
    show_default=True,
    help="The settings file (or $IJP_SETTINGS).",
)

DISPATCHER = "dispatcher"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def ijpd() -> None:
    """Run and look after a job portal: its catalog, data service, portal and dispatcher.

    \b
    A first installation:
      ijpd init FOLDER            make settings and secrets
      ijpd db upgrade             make or update the databases
      ijpd serve                  serve everything at one address
    """


@ijpd.command()
@SETTINGS
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@click.option("--bind", default="127.0.0.1:8080", show_default=True, help="Address and port.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Only the port: 127.0.0.1:PORT.")
@click.option(
    "--config",
    "throw_away_config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Instead of an installation, make one from this file that is thrown away at the end.",
)
@click.option("--threads", default=32, show_default=True, help="Requests served at once.")
@click.option("--workers", default=1, show_default=True, help="Processes; 1 on SQLite.")
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65_535),
    help="Of this host, for /metrics of a dispatcher that is served alone.",
)
def serve(
    settings_file: Path,
    names: tuple[str, ...],
    bind: str,
    port: int | None,
    throw_away_config: Path | None,
    threads: int,
    workers: int,
    metrics_port: int | None,
) -> None:
    """Serve the named services at one address, or all of them.

    The services are catalog, datastore, portal, and dispatcher, which starts jobs and follows
    them and has no address. Without names everything runs in one process.
    """
    known = [*services(), DISPATCHER]
    for name in names:
        if name not in known:
            raise click.UsageError(f"no service {name!r} (there are: {', '.join(known)})")
    if throw_away_config is None and names == (DISPATCHER,):
        serving.run_background(settings_file, "portal", metrics_port)
        return
    if DISPATCHER in names:
        raise click.UsageError("the dispatcher is served alone, or with everything")
    options: dict[str, Any] = {"bind": _address(bind, port), "threads": threads, "workers": workers}
    if throw_away_config is not None:
        _serve_throw_away(throw_away_config, names, options)
        return
    alone = bool(names)
    serving.serve(settings_file, list(names or services()), background=not alone, **options)


def _address(bind: str, port: int | None) -> str:
    return bind if port is None else f"127.0.0.1:{port}"


def _serve_throw_away(config: Path, names: tuple[str, ...], options: dict[str, Any]) -> None:
    os.environ.setdefault("IJP__PUBLIC_URL", f"http://{options['bind']}")
    with throw_away.installation(config) as settings_file:
        served = list(names or throw_away.names_of(config))
        serving.serve(settings_file, served, background=not names, **options)


@ijpd.group()
def db() -> None:
    """Make or update the databases."""


@db.command()
@SETTINGS
def upgrade(settings_file: Path) -> None:
    """Bring every service's tables to the newest version; needed after each installation."""
    for service in services().values():
        service.upgrade(settings_file)
        click.echo(f"{service.name}: up to date")


@db.command()
@SETTINGS
def check(settings_file: Path) -> None:
    """Say whether every service's tables are as this version needs them; nothing is changed.

    Ends with status 1 where something is wrong.
    """
    faults = {one.name: one.check_tables(settings_file) for one in services().values()}
    for name, fault in faults.items():
        click.echo(f"{name}: {fault or 'as it should be'}")
    if any(faults.values()):
        click.echo("ijpd db upgrade brings tables to the newest version", err=True)
        sys.exit(1)


def main() -> None:
    """Run ``ijpd``."""
    for point in sorted(entry_points(group="ijp.commands"), key=lambda one: one.name):
        for command in point.load():
            ijpd.add_command(command)
    try:
        ijpd()
    except (PortalError, SettingsError, PluginError) as error:
        click.echo(f"ijpd: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
