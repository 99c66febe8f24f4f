"""``ijpd user``: the accounts of the authenticator ``db``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from catalog import dump_cli, rules_cli, shell
from catalog.auth import sessions
from catalog.auth.authenticators import db
from servicekit.cli import SETTINGS


@click.group()
def user() -> None:
    """Look after the accounts of the catalog's own authenticator, db.

    Passwords are asked for, or read from standard input where that is not a terminal.
    """


@user.command()
@SETTINGS
@click.argument("name")
def add(settings_file: Path, name: str) -> None:
    """Add an account; the user then logs in as NAME and is known as db/NAME."""
    password = _password()
    with shell.writing(settings_file) as connection:
        db.add(connection, name, password)
    click.echo(f"db/{name}: added")


@user.command()
@SETTINGS
@click.argument("name")
def passwd(settings_file: Path, name: str) -> None:
    """Give an account another password; its sessions end."""
    password = _password()
    with shell.writing(settings_file) as connection:
        db.set_password(connection, name, password)
    click.echo(f"db/{name}: password changed")


@user.command()
@SETTINGS
@click.argument("name")
def disable(settings_file: Path, name: str) -> None:
    """Let nobody log in to an account any more, and end its sessions."""
    with shell.writing(settings_file) as connection:
        db.disable(connection, name)
    click.echo(f"db/{name}: disabled")


@user.command()
@SETTINGS
@click.argument("name")
def enable(settings_file: Path, name: str) -> None:
    """Let a disabled account log in again."""
    with shell.writing(settings_file) as connection:
        db.enable(connection, name)
    click.echo(f"db/{name}: enabled")


@user.command("list")
@SETTINGS
def list_accounts(settings_file: Path) -> None:
    """List the accounts, one a line, with a tab and whether it is enabled."""
    with shell.writing(settings_file) as connection:
        for name, is_disabled in db.users(connection):
            click.echo(f"db/{name}\t{'disabled' if is_disabled else 'enabled'}")


@user.command("log-out")
@SETTINGS
@click.argument("full_name")
def log_out(settings_file: Path, full_name: str) -> None:
    """End every session of a user of any authenticator, such as ldap/ana."""
    with shell.writing(settings_file) as connection:
        ended = sessions.end_all(connection, full_name)
    click.echo(f"{full_name}: {ended} sessions ended")


dump_cli.catalog.add_command(rules_cli.explain_command)
commands: list[click.Command] = [user, dump_cli.catalog, rules_cli.rules]


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
