"""Waiting for the end of jobs."""

from __future__ import annotations

import sys

import click

from ijp.cli.bulk import JOB, references
from ijp.cli.environment import Environment, pass_environment
from ijp.cli.exit_status import ExitStatus
from ijp.cli.watch import outcome_of, sweep_outcome, watch_jobs, watch_sweep
from ijp.portal import Record

_SIGNALLED = 128


@click.command()
@click.argument("jobs", nargs=-1, required=True, metavar=f"{JOB}...")
@pass_environment
def wait(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Wait until jobs have ended; s7 is all of sweep 7.

    The exit status is that of the job's program, 128 and the signal's number if a signal ended it,
    and where the program has none: 10 if the job failed, 11 if it was cancelled. Of several jobs
    it is 0 if all completed, 10 if one failed, 11 if one was cancelled.
    """
    numbers, sweeps = references(jobs)
    portal = environment.portal
    ended: list[Record] = []
    if numbers:
        ids = [int(portal.job(number)["id"]) for number in numbers]
        ended, _ = watch_jobs(portal, list(dict.fromkeys(ids)))
    whole = [watch_sweep(portal, one) for one in dict.fromkeys(sweeps)]
    environment.show([*ended, *whole], ())
    if len(ended) == 1 and not whole:
        sys.exit(_status(ended[0]))
    statuses = {outcome_of(ended), *map(sweep_outcome, whole)}
    order = (ExitStatus.JOB_FAILED, ExitStatus.JOB_CANCELLED)
    sys.exit(next((one for one in order if one in statuses), ExitStatus.OK))


def _status(job: Record) -> int:
    if job["state"] == "Completed":
        return ExitStatus.OK
    if job["signal"] and job["state"] == "Failed":
        return _SIGNALLED + int(job["signal"])
    if job["exitCode"] and job["state"] == "Failed":
        return int(job["exitCode"])
    return outcome_of([job])
