"""The commands ``ijpd accounts …``: see the pools of Unix accounts, and put them right."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from batch.accounts import configuration, hooks
from batch.accounts.configuration import ConfigurationError
from batch.accounts.pool import Finding, Pool
from batch.accounts.trust import NotTrustedError
from ijp.errors import BadRequestError

HELPER = "ijp-account-helper"
_ADVICE = {
    "waiting to be cleaned": "`ijpd accounts tidy` does it now; the next job of the pool would too",
    "quarantined": "no job gets it; remove what is named, then `ijpd accounts tidy`",
    "unusable": "make it as docs/accounts.md says, or take it out of the pool",
}


@click.group()
def accounts() -> None:
    """See the pools of Unix accounts that jobs run in, and put them right; needs root.

    \b
    ijpd accounts list             every account, and who has it
    ijpd accounts check            what is wrong, and what to do about it
    ijpd accounts tidy             clean and free what a crash has left
    ijpd accounts hooks slurm DIR  the scripts that a batch system runs before and after jobs
    """


@accounts.command("list")
def list_accounts() -> None:
    """List every account of every pool with its state, and the job that has it."""
    for one in _pool().look():
        click.echo(_line(one))


@accounts.command()
def check() -> None:
    """Say what is wrong with the accounts and what to do; the exit status is 1 if anything is."""
    findings = _pool().look()
    wrong = [one for one in findings if one.state in _ADVICE or (one.state == "free" and one.text)]
    for one in wrong:
        click.echo(_line(one))
        if one.state in _ADVICE:
            click.echo(f"    {_ADVICE[one.state]}")
    click.echo(_summary(findings))
    sys.exit(1 if wrong else 0)


@accounts.command()
@click.option(
    "--alive",
    type=click.File("r"),
    help="A file (- is standard input) with the ids of all jobs that the batch system has here, "
    "such as squeue -h -t all -o %A prints; accounts of other jobs are freed.",
)
def tidy(alive: Iterable[str] | None) -> None:
    """Clean and free the accounts whose job is gone, and say what was found; others are left."""
    known = None if alive is None else {word for line in alive for word in line.split()}
    done = _pool().tidy(known)
    for one in done:
        click.echo(_line(one))
    click.echo(f"{len(done)} accounts were not as they should be" if done else "nothing to do")
    sys.exit(1 if any(one.state == "quarantined" for one in done) else 0)


@accounts.command("hooks")
@click.argument("system", type=click.Choice(hooks.SYSTEMS))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--helper", help=f"Where {HELPER} is on the nodes; as here if not given.")
@click.option("--pause", default=10, show_default=True, help="Seconds until a job is tried again.")
def make_hooks(system: str, folder: Path, helper: str | None, pause: int) -> None:
    """Write the scripts that SYSTEM runs before and after each job into FOLDER."""
    found = helper or shutil.which(HELPER)
    if found is None:
        raise click.UsageError(f"{HELPER} is not on the PATH: name it with --helper")
    for name, text in hooks.scripts(system, found, pause_seconds=pause).items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o500)
        click.echo(str(path))


def _pool() -> Pool:
    if os.geteuid() != 0:
        raise BadRequestError("the accounts of others are root's to look after: use sudo")
    try:
        return Pool(configuration.read())
    except (ConfigurationError, NotTrustedError, OSError) as error:
        raise BadRequestError(str(error)) from error


def _line(one: Finding) -> str:
    text = f": {one.text}" if one.text else ""
    return f"{one.account:<16} {one.family:<12} {one.state}{text}"


def _summary(findings: Iterable[Finding]) -> str:
    counts: dict[str, int] = {}
    for one in findings:
        counts[one.state] = counts.get(one.state, 0) + 1
    return ", ".join(f"{number} {state}" for state, number in counts.items())


commands: list[click.Command] = [accounts]
