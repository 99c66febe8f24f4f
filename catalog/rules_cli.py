"""``ijpd rules`` and ``ijpd catalog explain``: rules as a file, and what they come to."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from sqlalchemy import Connection

from catalog import rule_difference, shell
from catalog.authz.caller import Caller
from catalog.authz.explain import explain
from catalog.authz.rules import Access
from catalog.dump_cli import OPERATOR
from catalog.rule_difference import Difference
from servicekit import rule_file
from servicekit.cli import SETTINGS

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def rules() -> None:
    """Keep the catalog's rules in a file: compare it, and make the catalog like it."""


@rules.command()
@SETTINGS
@click.option("--exit-code", is_flag=True, help="End with status 1 where there is a difference.")
@_FILE
def check(settings_file: Path, exit_code: bool, file: Path) -> None:
    """Check FILE, and show what is different in the catalog; nothing is changed.

    Each line with a + would be added by "apply", each with a - taken away.
    """
    with shell.reading(settings_file) as (_, connection):
        found = _compared(connection, file)
    if found and exit_code:
        sys.exit(1)


@rules.command()
@SETTINGS
@click.option("--yes", is_flag=True, help="Do not ask first.")
@_FILE
def apply(settings_file: Path, yes: bool, file: Path) -> None:
    """Make the catalog's rules and public steps those of FILE, and no others.

    They hold from the next call on, in every process.
    """
    with shell.reading(settings_file) as (_, connection):
        shown = _compared(connection, file)
    if not shown:
        return
    if not yes:
        click.confirm("Change the catalog so?", abort=True)
    with (
        shell.transactions(settings_file) as (_, transactions),
        transactions.writing() as connection,
    ):
        now = rule_difference.difference(connection, rule_file.read(file))
        if now != shown:
            raise click.ClickException("the rules were changed meanwhile: nothing is done")
        rule_difference.apply(connection, OPERATOR, now)
    click.echo("done")


@click.command("explain")
@SETTINGS
@click.option(
    "--access",
    type=click.Choice([one.name for one in Access], case_sensitive=False),
    default=Access.READ.name,
    show_default=True,
)
@click.argument("user")
@click.argument("entity")
@click.argument("id", type=click.IntRange(1, 2**63 - 1))
def explain_command(settings_file: Path, access: str, user: str, entity: str, id: int) -> None:
    """Say which rule gives USER access to an object, or why none does.

    USER is the full name, such as ldap/ana; ENTITY and ID name the object, such as Dataset 12.
    """
    with shell.reading(settings_file) as (given, connection):
        caller = Caller(user, is_root=user in given.root_users)
        found = explain(connection, caller, Access[access.upper()], entity, id)
    click.echo(f"{user} {'may' if found.permitted else 'may not'} {access.upper()} {entity} {id}")
    for note in found.notes:
        click.echo(f"- {note}")
    for reason in found.reasons:
        click.echo(f"- {reason}")
    if not found.reasons:
        click.echo(f"- there is no rule about {entity}")


def _compared(connection: Connection, path: Path) -> Difference:
    """The difference to a file without faults; it is shown."""
    file = rule_file.read(path)
    if wrong := list(rule_difference.faults(connection, file)):
        raise click.ClickException("\n".join(f"{path}: {fault}" for fault in wrong))
    found = rule_difference.difference(connection, file)
    for line in found.removed:
        click.echo(f"- {line}")
    for line in found.added:
        click.echo(f"+ {line}")
    click.echo(f"{len(found.added)} to add, {len(found.removed)} to take away, {found.same} same")
    return found
