"""Jobs that were submitted."""

from __future__ import annotations

import codecs
import shlex
import sys
import time
from collections.abc import Iterator

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import local_time, printable
from ijp.cli.watch import POLL_SECONDS, watch_jobs, why
from ijp.portal import FINAL_STATES, Record

JOB = "JOB"


@click.command()
@click.argument("job", required=False, metavar=f"[{JOB}]")
@click.option("--watch", is_flag=True, help="Follow the job to its end; the exit status tells it.")
@click.option("--state", metavar="STATE[,STATE]", help="List only jobs in these states.")
@click.option("--type", "job_type", metavar="NAME", help="List only jobs of this type.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="List so many."
)
@pass_environment
def status(
    environment: Environment,
    job: str | None,
    watch: bool,
    state: str | None,
    job_type: str | None,
    limit: int,
) -> None:
    """List your jobs, newest first, or show one, by its number.

    With --watch the exit status is 0 if the job completed, 10 if it failed, 11 if it was cancelled.
    """
    if job is None and watch:
        raise click.UsageError("which job is to be watched?")
    if job is None:
        _list(environment, {"state": state, "type": job_type, "limit": limit})
        return
    found = environment.portal.job(job)
    outcome = None
    if watch:
        (found,), outcome = watch_jobs(environment.portal, [int(found["id"])])
        found = environment.portal.job(job)
    environment.show(found, _lines(found))
    if outcome is not None:
        sys.exit(outcome)


def _list(environment: Environment, filters: dict[str, object]) -> None:
    given = {name: value for name, value in filters.items() if value}
    found = environment.portal.jobs(**given)["jobs"]
    rows = (
        [one["id"], one["jobType"], local_time(one["submittedAt"]), one["state"], why(one)]
        for one in found
    )
    columns = ["job", "type", "submitted", "state", ""]
    environment.table(found, columns, rows, "no jobs: submit one with ijp submit")


def _lines(job: Record) -> Iterator[str]:
    yield f"job {job['id']}  {job['jobType']}  {job['state']}"
    if text := why(job):
        yield f"  {text}"
    for key, word in (("submittedAt", "submitted"), ("startedAt", "started"), ("endedAt", "ended")):
        if job[key]:
            yield f"  {word:10} {local_time(job[key])}"
    if job["command"]:
        yield "  command    " + shlex.join(job["command"])
    for word, things in (("inputs", job["inputs"]), ("results", job["outputs"])):
        for kind in ("datasets", "datafiles", "augmented"):
            if numbers := things.get(kind):
                yield f"  {word:10} {kind} {', '.join(map(str, numbers))}"
    if job["exitCode"] is not None:
        yield f"  exit code  {job['exitCode']}"
    if job["state"] == "Failed":
        yield f"  see        ijp output -e {job['id']}"


@click.command()
@click.argument("job", metavar=JOB)
@click.option("-e", "--error", is_flag=True, help="What it wrote to standard error instead.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@pass_environment
def output(environment: Environment, job: str, error: bool, follow: bool) -> None:
    """Print what a job wrote, also while it runs."""
    portal = environment.portal
    written = _Written(environment.as_json)
    stream, offset = ("err" if error else "out"), 0
    while True:
        ended = portal.job(job)["state"] in FINAL_STATES
        for block in portal.output(job, stream=stream, offset=offset):
            offset += len(block)
            written.add(block)
        if ended or not follow:
            break
        time.sleep(POLL_SECONDS)
    if environment.as_json:
        environment.show({"job": job, "stream": stream, "text": written.text}, ())


class _Written:
    """Where output goes: into a pipe as it is, on a terminal so that it does no harm."""

    def __init__(self, keep: bool) -> None:
        self.text = ""
        self._keep = keep
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, block: bytes) -> None:
        """Take some more bytes."""
        if self._keep:
            self.text += self._decoder.decode(block)
        elif sys.stdout.isatty():
            text = self._decoder.decode(block).replace("\r\n", "\n")
            click.echo(printable(text), nl=False)
        else:
            binary = sys.stdout.buffer
            binary.write(block)
            binary.flush()


@click.command()
@click.argument("jobs", nargs=-1, required=True, metavar=f"{JOB}...")
@pass_environment
def cancel(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Have jobs end, waiting or running."""
    found = [environment.portal.cancel(job) for job in jobs]
    environment.show(found, (f"job {one['id']}: {_ending(one)}" for one in found))


def _ending(job: Record) -> str:
    if job["state"] in FINAL_STATES:
        return f"{job['state']} already"
    return "is being cancelled"


@click.command()
@click.argument("jobs", nargs=-1, required=True, metavar=f"{JOB}...")
@pass_environment
def delete(environment: Environment, jobs: tuple[str, ...]) -> None:
    """Remove ended jobs and their output; datasets that they made stay."""
    for job in jobs:
        environment.portal.delete(job)
    environment.show({"deleted": list(jobs)}, (f"job {job}: deleted" for job in jobs))
