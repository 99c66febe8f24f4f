"""The command ``ijpd demo``."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ijp.errors import PortalError
from portal import demo as demonstration
from portal import installation, secret_files, settings
from portal.demo_server import Address, Server
from portal.engine_options import engine_options
from portal.facility_cli import load_into, session_of
from servicekit.embedded import Process
from servicekit.service import services

_USERS = {
    "ana": "sees microscopy and materials",
    "ben": "sees astronomy, reads materials",
    "dora": "data manager, loads pictures",
}
_PASSWORDS = "demo_passwords.json"  # a file's name


@dataclass(frozen=True)
class Engine:
    """The batch system of a new demonstration, and its table of the settings."""

    name: str
    settings: Mapping[str, Any]


def _address(_context: click.Context, _parameter: click.Parameter, text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Where everything is kept.",
)
@click.option(
    "--bind",
    "address",
    default="127.0.0.1:8080",
    show_default=True,
    callback=_address,
    metavar="HOST:PORT",
    help="Where to listen.",
)
@click.option("--database-url", default="", help="Such as postgresql+psycopg2://…; else SQLite.")
@click.option("--fresh", is_flag=True, help="Forget what an earlier demonstration left.")
@engine_options
def demo(
    folder: Path,
    address: Address,
    database_url: str,
    fresh: bool,
    engine: str,
    engine_settings: dict[str, Any],
) -> None:
    """Set up a facility with real pictures, spend a scientist's day on it, and keep serving.

    With DEMO_ONCE=1 in the environment it ends after the day: with status 0 if all was as it
    should be.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        if fresh:
            address.require_free()
            _forget(folder)
        _run(folder, address, database_url, Engine(engine, engine_settings))
    except (demonstration.DemoError, PortalError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo(f"\nEnded. Started again it goes on where it was; everything is in {folder}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(folder: Path, address: Address, database_url: str, engine: Engine) -> None:
    began = time.monotonic()
    address.require_free()
    with Server(folder / installation.SETTINGS_FILE, address) as running:
        settings_file = _installed(folder, database_url, address, engine)
        passwords = _passwords(folder)
        running.start()
        _describe(settings_file)
        demonstration.fill_drop_folder(folder / "drop")
        running.wait_until_ready()
        click.echo(f"Serving at {address.url} after {time.monotonic() - began:.1f} s")
        click.echo("Loading, searching, running, and looking back:")
        demonstration.day(address.url, passwords, click.echo)
        click.echo(f"All as it should be, after {time.monotonic() - began:.1f} s.")
        if os.environ.get("DEMO_ONCE", "") in ("", "0"):
            _stay(running, passwords)


def _forget(folder: Path) -> None:
    """Remove an earlier demonstration, and nothing else.

    Raises:
        DemoError: There is something else.
    """
    if not folder.exists():
        return
    if not (folder / "secrets" / _PASSWORDS).exists() and any(folder.iterdir()):
        raise demonstration.DemoError(f"{folder} holds no demonstration; it stays as it is")
    shutil.rmtree(folder)


def _installed(folder: Path, database_url: str, address: Address, engine: Engine) -> Path:
    settings_file = folder / installation.SETTINGS_FILE
    if not settings_file.exists():
        click.echo(f"Making an installation in {folder}")
        installation.make(
            folder,
            facility="imaging",
            database_url=database_url,
            public_url=address.url,
            engine=engine.name,
            engine_settings=engine.settings,
        )
    for service in services().values():
        service.upgrade(settings_file)
    return settings_file


def _describe(settings_file: Path) -> None:
    """Tell the catalog of the facility, without a socket while the server is still starting."""
    found = settings.read(settings_file)
    session = session_of(found, Process(settings_file), "root")
    if lines := load_into(session, found, found.facility_folder):
        click.echo(f"Told the catalog of {found.facility}: {len(lines)} types, people and rules")


def _passwords(folder: Path) -> dict[str, str]:
    """The demonstration's accounts; their passwords are made once and kept in a private file."""
    path = folder / "secrets" / _PASSWORDS
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    made = {user: secrets.token_urlsafe(9) for user in _USERS}
    installation.add_users(path.parent, made)
    secret_files.write(path, json.dumps(made))
    return made


def _stay(running: Server, passwords: dict[str, str]) -> None:
    click.echo(f'\nOpen {running.url} and log in with "Local account" as')
    for user, what in _USERS.items():
        click.echo(f"  {user:6} {passwords[user]:14} {what}")
    click.echo(f"or in a shell: {_ijp()} --portal {running.url} login simple username ana")
    click.echo("Ctrl-C ends it.")
    running.wait_for_end()


def _ijp() -> str:
    """How the command is called from here."""
    path = Path(sys.executable).with_name("ijp")
    if shutil.which("ijp"):
        return "ijp"
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
