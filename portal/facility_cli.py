"""Commands about a facility: ``ijpd facility`` and ``ijpd demo``."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from pathlib import Path

import click

from ijp.catalog import CatalogClient, CatalogSession
from portal import demo as demonstration
from portal import facility as description
from portal import installation, secret_files, settings
from portal.settings import PortalSettings
from servicekit.cli import SETTINGS
from servicekit.embedded import Process
from servicekit.service import services

_DEMO_USERS = ("ana", "ben", "dora")
_DEMO_PASSWORDS = "demo_passwords.json"  # a file's name


@click.group()
def facility() -> None:
    """Tell the catalog of a facility: its types, people, investigations and rules."""


@facility.command()
@SETTINGS
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where facility.toml is; by default the facility folder of the settings.",
)
@click.option("--user", default="root", show_default=True, help="Of the authenticator simple.")
def load(settings_file: Path, folder: Path | None, user: str) -> None:
    """Bring the catalog to what facility.toml and rules.toml say; nothing is taken away.

    It may be given again at any time, also while the services run.
    """
    found = settings.read(settings_file)
    session = _as_root(found, Process(settings_file, found.ca_bundle), user)
    lines = load_into(session, found, folder or found.facility_folder)
    click.echo("\n".join(lines) if lines else "nothing to change")


def load_into(session: CatalogSession, found: PortalSettings, folder: Path) -> list[str]:
    """Load a facility's files; gives a line for each thing made or changed."""
    return list(description.load(session, description.read(folder), found.service_user))


def _as_root(found: PortalSettings, process: Process, user: str) -> CatalogSession:
    if user == "root":
        password = secret_files.read(found.secrets_folder, installation.ROOT_PASSWORD)
    else:
        password = str(click.prompt(f"Password of simple/{user}", hide_input=True))
    catalog = CatalogClient(found.catalog_url, process.http)
    return catalog.login("simple", {"username": user, "password": password})


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Where everything is kept.",
)
@click.option("--bind", default="127.0.0.1:8080", show_default=True, help="Address and port.")
@click.option("--database-url", default="", help="Such as postgresql+psycopg2://…; else SQLite.")
@click.option("--fresh", is_flag=True, help="Forget what an earlier demonstration left.")
def demo(folder: Path, bind: str, database_url: str, fresh: bool) -> None:
    """Set up a facility with real pictures, spend a scientist's day on it, and keep serving.

    With DEMO_ONCE=1 in the environment it ends after the day: with status 0 if all was as it
    should be.
    """
    if fresh and (folder / installation.SETTINGS_FILE).exists():
        shutil.rmtree(folder)
    began = time.monotonic()
    settings_file = _prepare(folder, bind, database_url)
    passwords = _passwords(folder)
    try:
        with demonstration.server(settings_file, bind) as process:
            click.echo(f"Serving at http://{bind}")
            click.echo("Loading, searching, running, and looking back:")
            demonstration.day(f"http://{bind}", passwords, click.echo)
            click.echo(f"All as it should be, after {time.monotonic() - began:.1f} s.")
            if demonstration.once():
                return
            _invite(bind, passwords)
            process.wait()
    except (demonstration.DemoError, demonstration.PortalError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nEnded. `make demo` goes on where this was; everything is in " + str(folder))


def _prepare(folder: Path, bind: str, database_url: str) -> Path:
    settings_file = folder / installation.SETTINGS_FILE
    if not settings_file.exists():
        click.echo(f"Making an installation in {folder}")
        installation.make(
            folder, facility="imaging", database_url=database_url, public_url=f"http://{bind}"
        )
    for service in services().values():
        service.upgrade(settings_file)
    _passwords(folder)
    found = settings.read(settings_file)
    lines = load_into(_as_root(found, Process(settings_file), "root"), found, found.facility_folder)
    if lines:
        click.echo(f"Told the catalog of {found.facility}: {len(lines)} types, people and rules")
    demonstration.fill_drop_folder(folder / "drop")
    return settings_file


def _passwords(folder: Path) -> dict[str, str]:
    """The demonstration's accounts; their passwords are made once and kept in a private file."""
    path = folder / "secrets" / _DEMO_PASSWORDS
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    made = {user: secrets.token_urlsafe(9) for user in _DEMO_USERS}
    installation.add_users(path.parent, made)
    secret_files.write(path, json.dumps(made))
    return made


def _invite(bind: str, passwords: dict[str, str]) -> None:
    click.echo(f'\nOpen http://{bind} and log in with "Local account" as')
    for user, what in (
        ("ana", "sees microscopy and materials"),
        ("ben", "sees astronomy, reads materials"),
        ("dora", "data manager, loads pictures"),
    ):
        click.echo(f"  {user:6} {passwords[user]:14} {what}")
    click.echo(f"or in a shell: .venv/bin/ijp --portal http://{bind} login simple username ana")
    click.echo("Ctrl-C ends it.")


commands: list[click.Command] = [facility, demo]
