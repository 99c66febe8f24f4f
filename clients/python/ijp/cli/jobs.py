"""Jobs that were submitted."""

from __future__ import annotations

import codecs
import shlex
import sys
import time
from collections.abc import Iterator

import click

from ijp.cli.bulk import FAILURES, JOB, sweep_of
from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import local_time, printable
from ijp.cli.watch import POLL_SECONDS, counted, sweep_outcome, watch_jobs, watch_sweep, why
from ijp.portal import FINAL_STATES, Record


@click.command()
@click.argument("job", required=False, metavar=f"[{JOB}]")
@click.option("--watch", is_flag=True, help="Follow the job to its end; the exit status tells it.")
@click.option("--state", metavar="STATE[,STATE]", help="List only jobs in these states.")
@click.option("--failure", type=click.Choice(list(FAILURES)), help="List only jobs that failed so.")
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
    failure: str | None,
    job_type: str | None,
    limit: int,
) -> None:
    """List your jobs, newest first, or show one, by its number; s7 is sweep 7.

    With --watch the exit status is 0 if the job completed, 10 if it failed, 11 if it was cancelled.
    """
    if job is None and watch:
        raise click.UsageError("which job is to be watched?")
    if job is None:
        filters: dict[str, object] = {"state": state, "type": job_type, "failure": failure}
        filters["limit"] = limit
        _list(environment, filters)
        return
    if (sweep_id := sweep_of(job)) is not None:
        _show_sweep(environment, sweep_id, {"state": state, "failure": failure}, limit, watch)
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
    entries = environment.portal.job_list(**given)["entries"]
    found = [one.get("job") or one["sweep"] for one in entries]
    rows = map(_row, found)
    environment.table(found, _COLUMNS, rows, "no jobs: submit one with ijp submit")


_COLUMNS = ["job", "type", "submitted", "state", ""]


def _row(one: Record) -> list[object]:
    """A job of its own, or a sweep, as a line of a list."""
    if "counts" in one:
        number, text = f"s{one['id']}", counted(one)
    else:
        number, text = one["id"], why(one)
    return [number, one["jobType"], local_time(one["submittedAt"]), one["state"], text]


def _show_sweep(
    environment: Environment, sweep_id: int, filters: Record, limit: int, watch: bool
) -> None:
    portal = environment.portal
    found = watch_sweep(portal, sweep_id) if watch else portal.sweep(sweep_id)
    given = {name: value for name, value in filters.items() if value}
    jobs = portal.jobs(sweep=sweep_id, limit=limit, **given)["jobs"]
    if not environment.as_json:
        environment.show(found, _sweep_lines(found))
    environment.table({**found, "jobs": jobs}, _COLUMNS, map(_row, jobs), "no such job in it")
    if watch:
        sys.exit(sweep_outcome(found))


def _sweep_lines(sweep: Record) -> Iterator[str]:
    yield f"sweep s{sweep['id']}  {sweep['name']}  {sweep['state']}"
    yield f"  {counted(sweep)}"
    if sweep.get("waits"):
        yield f"  {sweep['waits']}"
    for kind, number in sweep["counts"].get("failures", {}).items():
        yield f"  {FAILURES.get(kind, kind):25} {number}"


def _lines(job: Record) -> Iterator[str]:
    yield f"job {job['id']}  {job['jobType']}  {job['state']}"
    if job.get("failure"):
        yield f"  {FAILURES.get(job['failure'], job['failure'])}"
    if text := why(job):
        yield f"  {text}"
    if job["sweepId"]:
        yield f"  sweep      s{job['sweepId']}"
    for one in job.get("attempts", ()):
        yield f"  attempt {one['number']}  {one['state']}: {one['reason']}"
    for key, word in (("submittedAt", "submitted"), ("startedAt", "started"), ("endedAt", "ended")):
        if job[key]:
            yield f"  {word:10} {local_time(job[key])}"
    if job.get("engineReason"):
        yield f"  engine     {job['engine']}: {job['engineReason']}"
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
