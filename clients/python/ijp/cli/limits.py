"""What users may have, and what they use of it."""

from __future__ import annotations

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import local_time
from ijp.portal import Record


@click.command()
@click.option("--all", "everybody", is_flag=True, help="Of all users; for administrators.")
@pass_environment
def limits(environment: Environment, everybody: bool) -> None:
    """Show what you may have and what you use of it.

    Jobs beyond a limit on running jobs wait; beyond others they are not accepted.
    """
    found = environment.portal.limits(everybody=everybody)
    if everybody:
        columns = ["user", "running", "waiting", "priority", "groups"]
        empty = "nobody has a job under way"
        environment.table(found, columns, map(_user, found["users"]), empty)
        return
    columns = ["limit", "used", "allowed", "more by"]
    environment.table(found, columns, map(_limit, found["limits"]), "there is no limit")


def _limit(one: Record) -> list[object]:
    is_time = one["kind"] == "coreHours"
    used, allowed = (
        f"{one[name]:.1f}" if is_time else f"{one[name]:.0f}" for name in ("used", "allowed")
    )
    return [one["name"], used, allowed, local_time(one["freesAt"]) if one["freesAt"] else ""]


def _user(one: Record) -> list[object]:
    numbers = [
        f"{one[name]}" + (f"/{most}" if (most := one[f"{name}Allowed"]) is not None else "")
        for name in ("running", "waiting")
    ]
    return [one["user"], *numbers, one["priority"], ",".join(one["groups"])]
