"""The hosts that run jobs."""

from __future__ import annotations

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import local_time
from ijp.portal import Record

_ENGINE = click.option(
    "--engine", default="", help="Which batch system's, where several have a host of this name."
)
_GIB = 2**30


@click.group(invoke_without_command=True)
@click.pass_context
@pass_environment
def nodes(environment: Environment, context: click.Context) -> None:
    """List the hosts that run jobs, what they have and how busy they are."""
    if context.invoked_subcommand is not None:
        return
    found = environment.portal.nodes()
    columns = ["host", "state", "slots used", "load", "memory used", "disk free", "jobs"]
    columns += ["queues", "as of", ""]
    environment.table(found, columns, map(_row, found), "no host is known")


@nodes.command()
@click.argument("name", metavar="HOST")
@click.argument("note")
@_ENGINE
@pass_environment
def offline(environment: Environment, name: str, note: str, engine: str) -> None:
    """Have no new jobs start on HOST; NOTE says why. For administrators."""
    made = environment.portal.set_node_offline(name, note, engine=engine)
    environment.show(made, [f"{made['name']}: takes no jobs: {note}"])


@nodes.command()
@click.argument("name", metavar="HOST")
@_ENGINE
@pass_environment
def online(environment: Environment, name: str, engine: str) -> None:
    """Let HOST run jobs again. For administrators."""
    made = environment.portal.set_node_online(name, engine=engine)
    environment.show(made, [f"{made['name']}: takes jobs"])


def _row(one: Record) -> list[object]:
    memory = f"{_gib(one['memoryUsedBytes'])}/{_gib(one['memoryBytes'])}".strip("/")
    return [
        one["name"],
        "takes jobs" if one["online"] else "takes none",
        f"{one['slotsUsed']}/{one['slots']}",
        None if one["loadAverage"] is None else f"{one['loadAverage']:.2f}",
        memory,
        _gib(one["diskFreeBytes"]),
        one["jobs"],
        ",".join(one["queues"]),
        local_time(one["toldAt"]),
        one["reason"] or one["state"],
    ]


def _gib(count: int | None) -> str:
    return "" if count is None else f"{count / _GIB:.1f} GiB"
