"""The commands ``ijpd jobdefs …``: check definitions, try them, start a new one."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

import click

from ijp.errors import PortalError
from jobdefs import command, form, layout
from jobdefs.condition import Value
from jobdefs.job_type import JobType
from jobdefs.lint import lint
from jobdefs.problem import Problem, Severity
from jobdefs.store import DefinitionStore

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def jobdefs() -> None:
    """Write and check what defines jobs: job types, quantities, search lists, families.

    \b
    ijpd jobdefs new "Find peaks" --folder facility    a job type to start from
    ijpd jobdefs check facility                        what is wrong, and what to write instead
    ijpd jobdefs try facility "Find peaks" -q width=9  its options and command, for such data
    """


@jobdefs.command()
@FOLDER
@click.option("--strict", is_flag=True, help="Warnings make the exit status 1 as well.")
@click.option("--elsewhere", is_flag=True, help="The programs are on other computers.")
def check(folder: Path, strict: bool, elsewhere: bool) -> None:
    """Say what is wrong with the definitions in FOLDER, and what to write instead.

    Prints a line for each problem: file, line, how bad it is, what was found, advice. The exit
    status is 1 if something does not work as written, otherwise 0.
    """
    problems = lint(folder, programs_here=not elsewhere)
    for problem in problems:
        click.echo(str(problem))
    click.echo(_summary(problems))
    bad = [Severity.ERROR, Severity.WARNING] if strict else [Severity.ERROR]
    sys.exit(1 if any(problem.severity in bad for problem in problems) else 0)


def _summary(problems: Iterable[Problem]) -> str:
    counts = dict.fromkeys(Severity, 0)
    for problem in problems:
        counts[problem.severity] += 1
    return ", ".join(
        f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in counts.items()
    )


@jobdefs.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The facility's folder; this one if not given.",
)
@click.option("--program", default="/bin/echo", show_default=True, help="What the job runs.")
@click.option("--dataset-type", default="raw", show_default=True, help="What it runs on.")
def new(name: str, folder: Path, program: str, dataset_type: str) -> None:
    """Write a job type called NAME to start from, with everything explained in comments."""
    stem = re.sub(r"\W+", "_", name).strip("_").lower()
    if not stem:
        raise click.UsageError("a name needs at least one letter or digit")
    file = folder / layout.JOB_TYPES / f"{stem}.xml"
    template = files("jobdefs").joinpath("templates/job_type.xml").read_text(encoding="utf-8")
    for placeholder, value in (
        ("@NAME@", name),
        ("@PROGRAM@", shlex.quote(program)),
        ("@DATASET_TYPE@", dataset_type),
    ):
        template = template.replace(placeholder, escape(value))
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(template)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already") from None
    click.echo(file)


@jobdefs.command("try")
@FOLDER
@click.argument("name")
@click.option(
    "-q", "--quantity", "quantities", multiple=True, metavar="NAME=VALUE", help="Of the dataset."
)
@click.option("-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="Filled in.")
@click.option("--dataset", "datasets", multiple=True, type=int, help="Id of a selected dataset.")
@click.option("--datafile", "datafiles", multiple=True, type=int, help="Id of a datafile.")
def try_(
    folder: Path,
    name: str,
    quantities: tuple[str, ...],
    options: tuple[str, ...],
    datasets: tuple[int, ...],
    datafiles: tuple[int, ...],
) -> None:
    """Show what users would be offered by job type NAME, and the command it would run.

    Nothing is run. All selected datasets are taken to have the quantities that are given:

    \b
    ijpd jobdefs try facility segment -q numChannels=3 -o Channel=red --dataset 17
    """
    job_type = _job_type(folder, name)
    known: dict[str, Value] = {key: _value(text) for key, text in map(_pair, quantities)}
    selected = [known for _ in datasets] or ([known] if known else [])
    for one in form.offered(job_type, selected, [f"dataset {id}" for id in datasets]):
        sign = "+" if one.offered else "-"
        click.echo(f"{sign} {one.option.key}{f': {one.reason}' if one.reason else ''}")
    try:
        choices = form.check(job_type, dict(map(_pair, options)), selected)
        words_of_job = command.arguments(job_type, choices, datasets, datafiles)
    except PortalError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"$ {shlex.join(command.argv(job_type, words_of_job))}")


def _job_type(folder: Path, name: str) -> JobType:
    definitions = DefinitionStore(folder).current()
    if name not in definitions.job_types:
        known = ", ".join(definitions.job_types) or "none"
        raise click.ClickException(f"{folder} has no job type {name!r} (there are: {known})")
    return definitions.job_types[name]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r} is not NAME=VALUE")
    return name, value


def _value(text: str) -> Value:
    """A quantity as typed in: null, a number, or else a text."""
    if text == "null":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


commands: list[click.Command] = [jobdefs]
