"""Commands about a facility: ``ijpd facility``."""

from __future__ import annotations

from pathlib import Path

import click

from ijp.catalog import CatalogClient, CatalogSession
from portal import facility as description
from portal import installation, secret_files, settings
from portal.settings import PortalSettings
from servicekit.cli import SETTINGS
from servicekit.embedded import Process


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
    session = session_of(found, Process(settings_file, found.ca_bundle), user)
    lines = load_into(session, found, folder or found.facility_folder)
    click.echo("\n".join(lines) if lines else "nothing to change")


def load_into(session: CatalogSession, found: PortalSettings, folder: Path) -> list[str]:
    """Load a facility's files; gives a line for each thing made or changed."""
    return list(description.load(session, description.read(folder), found.service_user))


def session_of(found: PortalSettings, process: Process, user: str) -> CatalogSession:
    """A session at the catalog; the password of ``root`` is known here, others are asked for."""
    if user == "root":
        password = secret_files.read(found.secrets_folder, installation.ROOT_PASSWORD)
    else:
        password = str(click.prompt(f"Password of simple/{user}", hide_input=True))
    catalog = CatalogClient(found.catalog_url, process.http)
    return catalog.login("simple", {"username": user, "password": password})


commands: list[click.Command] = [facility]
