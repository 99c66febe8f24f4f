"""Batch files: many jobs from one file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ijp.cli.environment import Environment
from ijp.cli.exit_status import ExitStatus
from ijp.errors import TooLargeError
from ijp.portal import MOST_BATCH_BYTES, Record

_FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def read(path: Path) -> tuple[bytes, str | None]:
    """A file's content, and how it is written if its name says so; - is standard input.

    Raises:
        TooLargeError: It is larger than batch files may be.
    """
    if str(path) == "-":
        content = sys.stdin.buffer.read(MOST_BATCH_BYTES + 1)
    else:
        with path.open("rb") as source:
            content = source.read(MOST_BATCH_BYTES + 1)
    if len(content) > MOST_BATCH_BYTES:
        raise TooLargeError(
            f"{path} is too large for a batch file, which may have {MOST_BATCH_BYTES >> 20} MiB"
        )
    return content, _FORMATS.get(path.suffix.lower())


def preview(environment: Environment, job_type: str, path: Path) -> None:
    """Show what each row would run, or what is wrong with it; ends the program if something is."""
    found = environment.portal.preview_batch(job_type, *read(path))
    environment.show(found, _lines(found))
    if found["wrong"]:
        sys.exit(ExitStatus.BAD_REQUEST)


def _lines(found: Record) -> Iterator[str]:
    for row in found["rows"]:
        if row["command"]:
            yield f"{row['line']}: {shlex.join(row['command'])}"
    if (more := found["good"] - sum(bool(row["command"]) for row in found["rows"])) > 0:
        yield f"and {more} more"
    for one in found["faults"]:
        column = f", column {one['column']}" if one["column"] else ""
        yield f"line {one['line']}{column}: {one['message']}"
    yield f"{found['good']} good, {found['wrong']} wrong"


def submit(
    environment: Environment,
    job_type: str,
    path: Path,
    *,
    name: str | None,
    leave_out_wrong: bool,
    engine: str | None,
    key: str | None,
) -> tuple[Record, str]:
    """Submit a file's rows; gives the answer, and what to call the jobs: s7, or a number."""
    content, kind = read(path)
    found = environment.portal.submit_batch(
        job_type,
        content,
        kind,
        name=name,
        leave_out_wrong=leave_out_wrong,
        engine=engine,
        key=key,
    )
    if found["sweepId"]:
        return found, f"s{found['sweepId']}"
    return found, str(found["jobIds"][0])


FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
