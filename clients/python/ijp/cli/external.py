"""Jobs that were submitted outside of the portal."""

from __future__ import annotations

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import local_time


@click.command()
@click.option("--all", "everybody", is_flag=True, help="Of all users; for administrators.")
@pass_environment
def external(environment: Environment, everybody: bool) -> None:
    """List your jobs that were submitted outside of the portal, as it saw them last."""
    found = environment.portal.external_jobs(everybody=everybody)
    columns = ["job", "engine", "name", "account", "queue", "submitted", "state"]
    rows = (
        [
            one["nativeId"],
            one["engine"],
            one["name"],
            one["account"],
            one["queue"],
            local_time(one["submittedAt"]) if one["submittedAt"] else "",
            one["state"],
        ]
        for one in found
    )
    environment.table(found, columns, rows, "the portal sees no jobs of yours from elsewhere")
