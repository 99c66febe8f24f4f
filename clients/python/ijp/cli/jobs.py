"""Job types and jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ijp.cli.environment import Environment, pass_environment, printable
from ijp.cli.exit_status import ExitStatus
from ijp.portal import FINAL_STATES, PortalClient, Record

_POLL_SECONDS = 0.5

IDS = click.option(
    "-d", "--dataset", "datasets", multiple=True, metavar="ID[,ID]", help="Input datasets."
)
FILE_IDS = click.option(
    "-f", "--datafile", "datafiles", multiple=True, metavar="ID[,ID]", help="Input datafiles."
)


def ids(texts: tuple[str, ...], what: str) -> list[int]:
    """The numbers of repeated options, each one or several with commas."""
    try:
        return [int(part) for text in texts for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise click.UsageError(f"{what} ids are numbers: {error}") from error


@click.command()
@click.argument("name", required=False)
@IDS
@FILE_IDS
@pass_environment
def jobtype(
    environment: Environment,
    name: str | None,
    datasets: tuple[str, ...],
    datafiles: tuple[str, ...],
) -> None:
    """List the job types, or show one with its options.

    With -d or -f the list also says which of them can run on those data, and why others cannot.
    """
    portal = environment.portal()
    if name is None:
        _list_types(environment, portal, ids(datasets, "dataset"), ids(datafiles, "datafile"))
        return
    found = portal.job_type(name)
    environment.show(found, "\n".join(_type_lines(found)))


def _list_types(
    environment: Environment, portal: PortalClient, datasets: list[int], datafiles: list[int]
) -> None:
    found = portal.job_types(datasets, datafiles)
    chosen = bool(datasets or datafiles)
    columns = ["job type", *(["runs here", "why not"] if chosen else ["for dataset types"])]
    rows = [
        [one["name"], *_fit(one)] if chosen else [one["name"], ", ".join(one["datasetTypes"])]
        for one in found
    ]
    environment.table(found, columns, rows, "no job types")


def _fit(found: Record) -> list[str]:
    return ["yes" if found.get("fits") else "no", str(found.get("reason") or "")]


def _type_lines(found: Record) -> Iterator[str]:
    yield found["name"] + (f": {found['help']}" if found.get("help") else "")
    if kinds := found.get("datasetTypes"):
        yield "runs on datasets of type: " + ", ".join(kinds)
    else:
        yield "needs no data"
    if found.get("multiple"):
        yield "takes several inputs in one job" + (
            "" if found.get("forceSingleJob") else " (--one) or in one job each (--each)"
        )
    for option in found.get("jobOptions") or found.get("options") or []:
        yield "  " + _option_line(option)


def _option_line(option: Record) -> str:
    facts = [option["type"]]
    if values := option.get("values"):
        facts.append("one of " + ", ".join(value or "(none)" for value in values))
    for key, word in (
        ("minValue", "at least"),
        ("maxValue", "at most"),
        ("defaultValue", "default"),
    ):
        if option.get(key) not in (None, ""):
            facts.append(f"{word} {option[key]}")
    if option.get("condition"):
        facts.append(f"if {option['condition']}")
    text = f"{option['name']} ({'; '.join(facts)})"
    return text + (f" - {option['tip']}" if option.get("tip") else "")


@click.command()
@click.argument("job_type")
@click.argument("arguments", nargs=-1)
@IDS
@FILE_IDS
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the job type; a boolean takes true or false.",
)
@click.option(
    "--one/--each", "one_job", default=None, help="Several inputs: all in one job, or one job each."
)
@click.option("--investigation", type=int, metavar="ID", help="Where results go.")
@click.option("--key", help="Two submissions with the same key are one.")
@click.option("--dry-run", is_flag=True, help="Show the commands and submit nothing.")
@click.option("--watch", is_flag=True, help="Follow the jobs to their end.")
@pass_environment
def submit(
    environment: Environment,
    job_type: str,
    arguments: tuple[str, ...],
    datasets: tuple[str, ...],
    datafiles: tuple[str, ...],
    options: tuple[str, ...],
    one_job: bool | None,
    investigation: int | None,
    key: str | None,
    dry_run: bool,
    watch: bool,
) -> None:
    """Submit a job; prints its number (one a line for several).

    \b
    ijp submit segment -d 12 -o "Minimum area=40" --watch
    ijp submit segment -d "$(ijp search --type image --ids)" --each
    """
    portal = environment.portal()
    selection: Any = {
        "dataset_ids": ids(datasets, "dataset"),
        "datafile_ids": ids(datafiles, "datafile"),
        "options": dict(_pair(text) for text in options),
    }
    if dry_run:
        _show_form(environment, portal.form(job_type, **selection))
        return
    jobs = portal.submit(
        job_type,
        arguments=arguments,
        one_job=one_job,
        investigation_id=investigation,
        key=key,
        **selection,
    )
    environment.show(jobs, "\n".join(str(job["id"]) for job in jobs))
    if watch:
        sys.exit(_watch(portal, [int(job["id"]) for job in jobs]))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"an option is NAME=VALUE, not {text!r}")
    return name, value


def _show_form(environment: Environment, found: Record) -> None:
    commands = found.get("commands") or [found.get("command") or []]
    faults = found.get("faults") or {}
    lines = [" ".join(map(_quoted, command)) for command in commands]
    if isinstance(faults, dict):
        lines += [f"{name}: {' '.join(texts)}" for name, texts in faults.items()]
    environment.show(found, "\n".join(lines))
    if faults:
        sys.exit(ExitStatus.BAD_REQUEST)


def _quoted(argument: str) -> str:
    plain = argument and all(char.isalnum() or char in "-_=./,:+%@" for char in argument)
    return argument if plain else "'" + argument.replace("'", "'\"'\"'") + "'"


@click.command()
@click.argument("job_id", type=int, required=False)
@click.option("--watch", is_flag=True, help="Follow the job to its end; the exit status tells it.")
@click.option("--state", help="List only jobs in this state.")
@click.option("--type", "job_type", help="List only jobs of this type.")
@click.option("--limit", default=50, show_default=True, help="List so many.")
@pass_environment
def status(
    environment: Environment,
    job_id: int | None,
    watch: bool,
    state: str | None,
    job_type: str | None,
    limit: int,
) -> None:
    """List your jobs, newest first, or show one.

    With --watch the exit status is 0 if the job completed, 10 if it failed, 11 if it was cancelled.
    """
    portal = environment.portal()
    if job_id is None:
        filters = {"state": state, "type": job_type, "limit": limit}
        found = portal.jobs(**{name: value for name, value in filters.items() if value})
        rows = [_row(job) for job in found["jobs"]]
        columns = ["job", "type", "submitted", "state", ""]
        environment.table(found["jobs"], columns, rows, "no jobs yet: submit one with ijp submit")
        return
    if watch:
        outcome = _watch(portal, [job_id])
        environment.show(portal.job(job_id), "")
        sys.exit(outcome)
    job = portal.job(job_id)
    environment.show(job, "\n".join(_job_lines(job)))


def _row(job: Record) -> list[object]:
    return [job["id"], job["jobType"], _local(job["submittedAt"]), job["state"], _why(job)]


def _why(job: Record) -> str:
    if job["state"] == "Executing" and job.get("progress") is not None:
        return f"{100 * float(job['progress']):.0f} % {job.get('progressMessage') or ''}".strip()
    return str(job.get("reason") or "")


def _local(text: str | None) -> str:
    return (text or "")[:19].replace("T", " ")


def _job_lines(job: Record) -> Iterator[str]:
    yield f"job {job['id']}  {job['jobType']}  {job['state']}"
    if why := _why(job):
        yield f"  {why}"
    for key, word in (("submittedAt", "submitted"), ("startedAt", "started"), ("endedAt", "ended")):
        if job.get(key):
            yield f"  {word:10} {_local(job[key])}"
    if job.get("command"):
        yield "  command    " + " ".join(map(_quoted, job["command"]))
    for word, things in (("inputs", job.get("inputs")), ("results", job.get("outputs"))):
        if numbers := (things or {}).get("datasets"):
            yield f"  {word:10} datasets {', '.join(map(str, numbers))}"
    if job.get("exitCode") is not None:
        yield f"  exit code  {job['exitCode']}"


def _watch(portal: PortalClient, job_ids: list[int]) -> ExitStatus:
    """Show the jobs' progress on standard error until all have ended."""
    waiting, ended = list(job_ids), []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[word]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=False,
    ) as bars:
        tasks = {id: bars.add_task(f"job {id}", total=1.0, word="") for id in job_ids}
        while waiting:
            for id in list(waiting):
                job = portal.job(id)
                done = job["state"] in FINAL_STATES
                fraction = 1.0 if job["state"] == "Completed" else float(job.get("progress") or 0)
                word = printable(f"{job['state']}  {_why(job)}".strip()).replace("[", "\\[")
                bars.update(tasks[id], completed=fraction, word=word)
                if done:
                    waiting.remove(id)
                    ended.append(job["state"])
            if waiting:
                time.sleep(_POLL_SECONDS)
    if "Failed" in ended:
        return ExitStatus.JOB_FAILED
    return ExitStatus.JOB_CANCELLED if "Cancelled" in ended else ExitStatus.OK


@click.command()
@click.argument("job_id", type=int)
@click.option("-e", "--error", is_flag=True, help="What it wrote to standard error instead.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@pass_environment
def output(environment: Environment, job_id: int, error: bool, follow: bool) -> None:
    """Print what a job wrote, also while it runs."""
    portal = environment.portal()
    stream, offset = ("err" if error else "out"), 0
    while True:
        ended = portal.job(job_id)["state"] in FINAL_STATES
        for block in portal.output(job_id, stream=stream, offset=offset):
            offset += len(block)
            _write(block)
        if ended or not follow:
            return
        time.sleep(_POLL_SECONDS)


def _write(block: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(printable(block.decode("utf-8", "replace")), nl=False)
    else:
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


@click.command()
@click.argument("job_ids", type=int, nargs=-1, required=True)
@pass_environment
def cancel(environment: Environment, job_ids: tuple[int, ...]) -> None:
    """Stop jobs, waiting or running."""
    portal = environment.portal()
    for job_id in job_ids:
        portal.cancel(job_id)


@click.command()
@click.argument("job_ids", type=int, nargs=-1, required=True)
@pass_environment
def delete(environment: Environment, job_ids: tuple[int, ...]) -> None:
    """Remove finished jobs and their output; datasets that they made stay."""
    portal = environment.portal()
    for job_id in job_ids:
        portal.delete(job_id)
