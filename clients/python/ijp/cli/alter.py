"""Other limits for jobs that wait."""

from __future__ import annotations

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import local_time
from ijp.portal import Record


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--memory", type=click.IntRange(1), metavar="MIB", help="So much memory, in MiB.")
@click.option("--minutes", type=click.IntRange(1), help="So much time, in minutes.")
@click.option("--queue", help="Another queue.")
@click.option("--note", default="", help="Why, for the administrator.")
@pass_environment
def alter(
    environment: Environment,
    job: str,
    memory: int | None,
    minutes: int | None,
    queue: str | None,
    note: str,
) -> None:
    """Ask for other limits of a waiting job; an administrator grants or refuses them."""
    asked = {"memoryMiB": memory, "wallMinutes": minutes, "queue": queue}
    changes = {name: value for name, value in asked.items() if value is not None}
    if not changes:
        raise click.UsageError("say what is to be altered: --memory, --minutes or --queue")
    found = environment.portal.alter(job, changes, note)
    word = "is granted" if found["state"] == "granted" else "waits for an administrator"
    environment.show(found, [f"job {found['jobId']}: {_words(found['changes'])}: {word}"])


@click.command()
@click.option("--pending", is_flag=True, help="Only what is not decided.")
@click.option("--grant", type=int, metavar="REQUEST", help="Grant one; for administrators.")
@click.option("--refuse", type=int, metavar="REQUEST", help="Refuse one; for administrators.")
@click.option("--reason", default="", help="Why; needed to refuse.")
@pass_environment
def alterations(
    environment: Environment, pending: bool, grant: int | None, refuse: int | None, reason: str
) -> None:
    """List what was asked for jobs and what became of it, or decide; newest first."""
    if grant is not None and refuse is not None:
        raise click.UsageError("either --grant or --refuse")
    wanted = grant if grant is not None else refuse
    if wanted is not None:
        made = environment.portal.decide(wanted, grant=grant is not None, reason=reason)
        environment.show(made, [f"request {made['id']}: {made['state']}"])
        return
    found = environment.portal.alterations(pending=pending)
    columns = ["request", "job", "of", "asked", "for", "state", ""]
    environment.table(found, columns, map(_row, found), "nothing was asked for")


def _row(one: Record) -> list[object]:
    return [
        one["id"],
        one["jobId"],
        one["user"],
        local_time(one["askedAt"]),
        _words(one["changes"]),
        one["state"],
        one["answer"],
    ]


def _words(changes: Record) -> str:
    units = {"memoryMiB": "MiB of memory", "wallMinutes": "min of time"}
    told = [f"{changes[name]} {unit}" for name, unit in units.items() if name in changes]
    return ", ".join([*told, *([f"queue {changes['queue']}"] if "queue" in changes else [])])
