"""One action on many jobs, and on all jobs of sweeps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

from ijp import errors
from ijp.cli.environment import Environment, pass_environment
from ijp.cli.exit_status import ExitStatus
from ijp.cli.text import one_line
from ijp.portal import FINAL_STATES, Record

JOB = "JOB"
_SWEEP = re.compile(r"s([1-9][0-9]{0,17})")
_MOST_LINES = 20
_MOST_ERRORS = 5
FAILURES = {
    "memory": "out of memory",
    "time": "out of time",
    "limit": "over a limit",
    "node": "node failed",
    "system": "ended by the batch system",
    "program": "program error",
    "lost": "lost",
    "start": "could not start",
    "data": "data missing",
    "results": "results refused",
}
"""Why jobs fail, in the portal's words."""
F = TypeVar("F", bound=Callable[..., Any])


def references(words: Sequence[str]) -> tuple[list[str], list[int]]:
    """Jobs (12, or a public id) and sweeps (s7) as they were typed."""
    jobs = [word for word in words if not _SWEEP.fullmatch(word)]
    sweeps = [int(found[1]) for word in words if (found := _SWEEP.fullmatch(word))]
    return jobs, sweeps


def sweep_of(word: str) -> int | None:
    """The number of a sweep that a word such as s7 names; None if it names a job."""
    found = _SWEEP.fullmatch(word)
    return int(found[1]) if found else None


_jobs = click.argument("jobs", nargs=-1, required=True, metavar=f"{JOB}...")
_failure = click.option(
    "--failure", type=click.Choice(list(FAILURES)), help="Of sweeps, only jobs that failed so."
)


@click.command()
@_jobs
@pass_environment
def cancel(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Have jobs end, waiting or running; s7 is all of sweep 7."""
    _act(environment, "cancel", jobs, _ending)


def _ending(one: Record) -> str:
    if one["state"] in FINAL_STATES:
        return f"{one['state']} already"
    return "is being cancelled"


@click.command()
@_jobs
@pass_environment
def hold(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Keep waiting jobs from starting; s7 is all of sweep 7."""
    _act(environment, "hold", jobs, lambda _: "will not start before it is released")


@click.command()
@_jobs
@pass_environment
def release(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Let held jobs start; s7 is all of sweep 7."""
    _act(environment, "release", jobs, lambda _: "may start")


@click.command()
@_jobs
@pass_environment
def delete(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Remove ended jobs and their output; datasets that they made stay; s7 is all of sweep 7."""
    _act(environment, "delete", jobs, lambda _: "deleted")


@click.command()
@_jobs
@pass_environment
def repeat(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Submit jobs again as new ones, with the same inputs and options; s7 is a new sweep."""
    _act(environment, "repeat", jobs, lambda one: f"again as job {one['made']}")


@click.command()
@_jobs
@pass_environment
def first(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Start jobs before your others that have not started; s7 is all of sweep 7."""
    _act(environment, "first", jobs, lambda _: "goes before your others")


@click.command()
@_jobs
@pass_environment
def last(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Start jobs when your others have started; s7 is all of sweep 7."""
    _act(environment, "last", jobs, lambda _: "goes behind your others")


@click.command()
@_jobs
@_failure
@click.option("--same", is_flag=True, help="With the memory and time that they had.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@pass_environment
def retry(
    environment: Environment, jobs: tuple[str, ...], failure: str | None, same: bool, dry_run: bool
) -> None:
    """Try failed jobs again in place, keeping their numbers; s7 is all of sweep 7 that failed.

    Those that ran out of memory or time are given twice as much, up to the portal's limits.
    """
    if dry_run:
        numbers, sweeps = references(jobs)
        found = environment.portal.plan_retry(numbers, sweeps, failure=failure, more=not same)
        environment.show(found, _plan_lines(found))
        if found["refused"] and not found["groups"]:
            sys.exit(ExitStatus.CONFLICT)
        return
    words = "is tried again"
    _act(environment, "retry", jobs, lambda _: words, failure=failure, more=not same)


def _plan_lines(found: Record) -> Iterator[str]:
    for one in found["groups"]:
        why = FAILURES.get(one["failure"], one["failure"] or "cancelled")
        yield f"{_many(one['jobs'])}: {why}; {_resources(one['before'], one['after'])}"
    for one in found["refused"][:_MOST_LINES]:
        yield f"not {one['reference']}: {one['error']['message']}"
    if (more := len(found["refused"]) - _MOST_LINES) > 0:
        yield f"and {more} more that cannot be tried again"


def _resources(before: Record, after: Record) -> str:
    units = {"memoryMiB": "MiB of memory", "wallMinutes": "min of time"}
    told = [
        f"{before.get(name) or 'the usual'} -> {after[name]} {unit}"
        for name, unit in units.items()
        if after.get(name) != before.get(name)
    ]
    return ", ".join(told) or "with what they had"


def _act(
    environment: Environment,
    action: str,
    words: tuple[str, ...],
    tell: Callable[[Record], str],
    **options: Any,
) -> None:
    numbers, sweeps = references(words)
    found = environment.portal.act(action, numbers, sweeps, **options)
    results = found["results"]
    good = [one for one in results if one["done"]]
    if good or not results:
        environment.show(_as_json(action, found), _lines(good, tell, found["sweepIds"]))
    _raise([one["error"] for one in results if not one["done"]])


def _as_json(action: str, found: Record) -> Any:
    if action == "delete":
        return {"deleted": [one["reference"] for one in found["results"] if one["done"]]}
    return [{"id": one["jobId"], **one} for one in found["results"]]


def _lines(
    good: list[Record], tell: Callable[[Record], str], sweep_ids: list[int]
) -> Iterator[str]:
    if sweep_ids or len(good) > _MOST_LINES:
        yield from (f"again as sweep s{id}" for id in sweep_ids)
        yield from () if sweep_ids else [f"{_many(len(good))}: {tell(good[0])}"]
        return
    for one in good:
        yield f"job {one['jobId'] or one['reference']}: {tell(one)}"


def _raise(faults: list[Record]) -> None:
    """End with the first error, after the messages of some others."""
    if not faults:
        return
    for one in faults[1:_MOST_ERRORS]:
        click.echo(f"ijp: {one_line(one['message'])}", err=True)
    if (more := len(faults) - _MOST_ERRORS) > 0:
        click.echo(f"ijp: and {more} more", err=True)
    kind = errors.BY_CODE.get(str(faults[0]["code"]), errors.PortalError)
    raise kind(str(faults[0]["message"]))


def _many(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
