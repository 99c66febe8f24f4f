"""The RELAX NG schemas: what the documents look like when nothing about them is odd."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from lxml import etree

from jobdefs import layout
from jobdefs.document import parse, read_bytes
from jobdefs.problem import Problem, Severity

_OF_FILE = {
    layout.FAMILIES: "families",
    layout.DATASET_ITEMS: "dataset_search_items",
    layout.DATAFILE_ITEMS: "datafile_search_items",
    layout.ITEMS_OF_2013: "dataset_search_items",
}


def schema_of(file: Path) -> str:
    """The name of the schema for a file of a facility's folder."""
    if file.parent.name == layout.QUANTITIES:
        return "job_dataset_parameters"
    if file.parent.name == layout.JOB_TYPES:
        return "job_type"
    return _OF_FILE.get(file.name, "job_type")


def differences(file: Path) -> list[Problem]:
    """How a file differs from its schema, or nothing.

    Raises:
        UnreadableError: It is not XML that we read.
    """
    schema = _schema(schema_of(file))
    if schema.validate(parse(file, read_bytes(file)).element):
        return []
    # libxml2 says the cause first, and then what follows from it.
    first = schema.error_log[0]
    return [Problem(file, first.line, Severity.WARNING, first.message, "see docs/job-types.md")]


@cache
def _schema(name: str) -> etree.RelaxNG:
    with as_file(files("jobdefs").joinpath("schema")) as folder:
        return etree.RelaxNG(file=str(folder / f"{name}.rng"))
