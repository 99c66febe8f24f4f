"""What can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.ids import DATAFILES, DATASETS, flat
from ijp.cli.text import number
from ijp.portal import Record


@click.command()
@click.argument("name", required=False)
@DATASETS
@DATAFILES
@pass_environment
def jobtype(
    environment: Environment,
    name: str | None,
    datasets: tuple[tuple[int, ...], ...],
    datafiles: tuple[tuple[int, ...], ...],
) -> None:
    """List the job types, or show one with its options.

    With -d or -f it also says which of them can run on those data, and which options of one are
    offered for them; and why others are not.
    """
    if name is None:
        _list_types(environment, flat(datasets), flat(datafiles))
        return
    found = environment.portal.job_type(name)
    offered: dict[str, Record] = {}
    if datasets or datafiles:
        form = environment.portal.form(
            name, dataset_ids=flat(datasets), datafile_ids=flat(datafiles)
        )
        offered = {one["key"]: one for one in form["options"]}
        found = {**found, "offered": form["options"], "faults": form["faults"]}
    environment.show(found, _type_lines(found, offered))


def _list_types(
    environment: Environment, datasets: Sequence[int], datafiles: Sequence[int]
) -> None:
    found = environment.portal.job_types(datasets, datafiles)
    if datasets or datafiles:
        columns = ["job type", "runs", "why not"]
        rows = [[one["name"], "yes" if one["fits"] else "no", one["reason"]] for one in found]
    else:
        columns = ["job type", "for datasets of type", "what it does"]
        rows = [[one["name"], _kinds(one), _first_sentence(one["help"])] for one in found]
    environment.table(found, columns, rows, "there is no job type for you")


def _kinds(job_type: Record) -> str:
    return ", ".join(job_type["datasetTypes"]) or "(no data)"


def _first_sentence(help: str | None) -> str:
    return (help or "").partition(". ")[0].rstrip(".")


def _type_lines(found: Record, offered: Mapping[str, Record]) -> Iterator[str]:
    yield found["name"] + (f": {found['help']}" if found["help"] else "")
    if found["datasetTypes"]:
        what = [
            word
            for word, takes in (
                ("datasets", found["acceptsDatasets"]),
                ("datafiles of datasets", found["acceptsDatafiles"]),
            )
            if takes
        ]
        yield f"  runs on {' or '.join(what)} of type {_kinds(found)}"
        yield f"  {_inputs(found)}"
    else:
        yield "  needs no data"
    if faults := found.get("faults", {}).get("inputs"):
        yield f"  does not run on these data: {' '.join(faults)}"
    for option in found["jobOptions"]:
        yield from _option_lines(option, offered.get(option["key"], {}))
    if found["rawArguments"]:
        yield f"  takes arguments of your own: ijp submit {found['name']} -- ARGUMENT..."


def _inputs(found: Record) -> str:
    if not found["multiple"]:
        return "several inputs: one job each (--each)"
    if found["forceSingleJob"]:
        return "several inputs: all in one job"
    return "several inputs: all in one job (--one) or one job each (--each)"


def _option_lines(option: Record, offered: Record) -> Iterator[str]:
    group = f", one of '{option['groupName']}'" if option["groupName"] else ""
    yield f"  -o '{option['name']}={_example(option)}'{group}"
    for fact in _facts(option):
        yield f"      {fact}"
    if offered and not offered["offered"]:
        yield f"      not offered here: {offered['reason']}"
    elif option["condition"] and not offered:
        yield f"      only if {option['condition']}"


def _example(option: Record) -> str:
    kinds = {"boolean": "true", "string": "TEXT", "integer": "INTEGER", "float": "NUMBER"}
    return kinds.get(option["type"]) or "|".join(option["values"])


def _facts(option: Record) -> Iterator[str]:
    if option["tip"]:
        yield option["tip"]
    words = (("at least", "minValue"), ("at most", "maxValue"), ("by default", "defaultValue"))
    limits = [
        f"{word} {_short(option[key])}" for word, key in words if option[key] not in (None, "")
    ]
    if limits:
        yield ", ".join(limits)


def _short(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return number(value)
