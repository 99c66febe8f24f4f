"""The hosts of the batch system."""

from __future__ import annotations

import click

from ijp.cli.environment import Environment, pass_environment


@click.command()
@pass_environment
def nodes(environment: Environment) -> None:
    """List the hosts of the batch system, what they have and what jobs use; for administrators."""
    found = environment.portal.nodes()
    rows = (
        [
            one["name"],
            "takes jobs" if one["online"] else "takes none",
            f"{one['slotsUsed']}/{one['slots']}",
            ",".join(one["queues"]),
            one["reason"] or one["state"],
        ]
        for one in found
    )
    columns = ["host", "state", "slots used", "queues", ""]
    environment.table(found, columns, rows, "the batch system has no hosts")
