"""The queues of the batch system."""

from __future__ import annotations

import click

from ijp.cli.environment import Environment, pass_environment


@click.command()
@pass_environment
def queues(environment: Environment) -> None:
    """List the queues of the batch system, and how many jobs run and wait."""
    found = environment.portal.queues()
    rows = (
        [
            one["name"],
            f"{one['hostsOnline']}/{one['hosts']}",
            f"{one['slotsUsed']}/{one['slots']}",
        ]
        for one in found["queues"]
    )
    empty = "the batch system does not say which queues it has"
    environment.table(found, ["queue", "hosts online", "slots used"], rows, empty)
    if not environment.as_json:
        running, waiting = found["running"], found["waiting"]
        own = f"{found['ownRunning']} and {found['ownWaiting']} of them yours"
        click.echo(f"{running} jobs run, {waiting} wait; {own}", err=True)
