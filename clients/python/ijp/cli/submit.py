"""Run something."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from ijp.cli import batch
from ijp.cli.batch import FILE
from ijp.cli.environment import Environment, pass_environment
from ijp.cli.exit_status import ExitStatus
from ijp.cli.ids import DATAFILES, DATASETS, IDS, flat
from ijp.cli.watch import sweep_outcome, watch_jobs, watch_sweep
from ijp.errors import ValidationFailedError
from ijp.portal import Record


@click.command()
@click.argument("job_type")
@click.argument("arguments", nargs=-1)
@DATASETS
@DATAFILES
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
@click.option("--engine", metavar="NAME", help="The batch engine; by default whichever is best.")
@click.option("--investigation", type=IDS, help="Where results go; else where the inputs are.")
@click.option(
    "--array", "file", type=FILE, help="A batch file (CSV, TSV, JSON lines): one job a row."
)
@click.option("--leave-out-wrong", is_flag=True, help="With --array: submit the good rows only.")
@click.option("--name", help="With --array: what to call the sweep.")
@click.option("--key", help="Two submissions with the same key are one.")
@click.option("--dry-run", is_flag=True, help="Show the command and submit nothing.")
@click.option("--watch", is_flag=True, help="Follow the jobs to their end.")
@pass_environment
def submit(
    environment: Environment,
    job_type: str,
    arguments: tuple[str, ...],
    datasets: tuple[tuple[int, ...], ...],
    datafiles: tuple[tuple[int, ...], ...],
    options: tuple[str, ...],
    one_job: bool | None,
    engine: str | None,
    investigation: tuple[int, ...] | None,
    file: Path | None,
    leave_out_wrong: bool,
    name: str | None,
    key: str | None,
    dry_run: bool,
    watch: bool,
) -> None:
    """Submit a job; prints its number (one a line for several).

    \b
    ijp submit segment -d 12 -o "Minimum area=40" --watch
    ijp submit segment -d "$(ijp search --type image --ids)" --each
    ijp submit segment --array jobs.csv --dry-run

    With --watch the exit status is 0 if all jobs completed, 10 if one failed, 11 if one was
    cancelled. Job types that allow it take arguments of your own after --.
    """
    if file is not None:
        given = (arguments, datasets, datafiles, options, investigation)
        if any(given) or one_job is not None:
            raise click.UsageError("with --array the file says on what and how to run")
        if dry_run:
            batch.preview(environment, job_type, file)
        else:
            batch_options = {"name": name, "leave_out_wrong": leave_out_wrong}
            batch_options |= {"engine": engine, "key": key}
            _submit_file(environment, job_type, file, watch, batch_options)
        return
    if investigation is not None and len(investigation) != 1:
        raise click.UsageError("--investigation takes one id")
    request: dict[str, Any] = {
        "dataset_ids": flat(datasets),
        "datafile_ids": flat(datafiles),
        "options": dict(_pair(text) for text in options),
        "arguments": arguments,
        "one_job": one_job,
        "investigation_id": investigation[0] if investigation else None,
        "engine": engine,
    }
    if dry_run:
        _show_form(environment, environment.portal.form(job_type, **request))
        return
    _show_jobs(environment, environment.portal.submit(job_type, key=key, **request), watch)


def _show_jobs(environment: Environment, jobs: Sequence[Record], watch: bool) -> None:
    """Print what was submitted; if they are watched, end with what became of them."""
    ids = [int(job["id"]) for job in jobs]
    if jobs and jobs[0].get("sweepId") and not environment.as_json:
        click.echo(f"these {len(jobs)} jobs are sweep s{jobs[0]['sweepId']}", err=True)
    if not (watch and environment.as_json):
        environment.show(jobs, map(str, ids))
    if watch:
        ended, outcome = watch_jobs(environment.portal, ids)
        if environment.as_json:
            environment.show(ended, ())
        sys.exit(outcome)


def _submit_file(
    environment: Environment,
    job_type: str,
    file: Path,
    watch: bool,
    options: dict[str, Any],
) -> None:
    found, word = batch.submit(environment, job_type, file, **options)
    if not (watch and environment.as_json):
        environment.show(found, [word])
    if not watch:
        return
    if found["sweepId"]:
        ended = watch_sweep(environment.portal, found["sweepId"])
        outcome = sweep_outcome(ended)
    else:
        (ended,), outcome = watch_jobs(environment.portal, found["jobIds"])
    if environment.as_json:
        environment.show(ended, ())
    sys.exit(outcome)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"an option is NAME=VALUE, not {text!r}")
    return name, value


def _show_form(environment: Environment, found: Record) -> None:
    faults = dict(found["faults"])
    if found["question"]:
        faults["oneJob"] = [found["question"]["text"]]
    if environment.as_json:
        environment.show(found, ())
        sys.exit(ExitStatus.BAD_REQUEST if faults else ExitStatus.OK)
    if faults:
        text = "; ".join(text for texts in faults.values() for text in texts)
        raise ValidationFailedError(text, fields=faults)
    environment.show(found, _form_lines(found))
    if estimate := found.get("estimate"):
        click.echo(f"each runs: {estimate['words']}", err=True)
        if estimate["reason"]:
            click.echo(f"goes to {estimate['engine']}: {estimate['reason']}", err=True)


def _form_lines(found: Record) -> Iterator[str]:
    yield shlex.join(found["command"])
    if found["jobs"] > 1:
        yield f"and {found['jobs'] - 1} more like it, each with its own input"
