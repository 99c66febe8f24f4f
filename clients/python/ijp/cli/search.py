"""Find things and look at them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.text import number, value_of
from ijp.portal import Record

_WHERE = re.compile(
    r"\s*(?P<name>.+?)\s*(?P<operator><=|>=|!=|=|<|>|\s(?i:LIKE|BETWEEN)\s)\s*(?P<value>.*?)\s*$"
)
_PAGE = 500
_SHOWN = 4
_WIRE = {
    "=": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "LIKE": "like",
    "BETWEEN": "between",
}
_SIGNS = {wire: sign for sign, wire in _WIRE.items()}


@click.command()
@click.argument("text", required=False)
@click.option("--type", "dataset_type", metavar="NAME", help="Only datasets of this type.")
@click.option("--files", "of_files", is_flag=True, help="Find datafiles instead.")
@click.option("-d", "--dataset", type=click.IntRange(1), help="With --files: only its files.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="'NAME OP VALUE'",
    help="A parameter or field, an operator that fits it of = != < <= > >= LIKE BETWEEN, and a "
    "value (for BETWEEN: LOW and HIGH). May be repeated; all must hold.",
)
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="NAME=VALUE",
    help="One of the facility's own search lists.",
)
@click.option("--sort", metavar="NAME", help="created, name or a parameter; -NAME for descending.")
@click.option(
    "-p", "--parameter", "columns", multiple=True, metavar="NAME", help="Show this one; repeat."
)
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1), help="At most so many."
)
@click.option("--ids", "only_ids", is_flag=True, help="Print only the ids, with commas.")
@click.option("--fields", is_flag=True, help="List what --where can be about, and stop.")
@click.option("--query", metavar="TEXT", help="A query in ICAT's own language instead.")
@pass_environment
def search(
    environment: Environment,
    text: str | None,
    dataset_type: str | None,
    of_files: bool,
    dataset: int | None,
    conditions: tuple[str, ...],
    items: tuple[str, ...],
    sort: str | None,
    columns: tuple[str, ...],
    limit: int,
    only_ids: bool,
    fields: bool,
    query: str | None,
) -> None:
    """Find datasets, or with --files datafiles, by type, words and typed parameters.

    \b
    ijp search --fields
    ijp search --type image --where "channels >= 2" --where "sharpness BETWEEN 1 and 5"
    ijp search nuclei --ids
    ijp search --files --where "datafile.datafileFormat.name = CSV" --sort -datafile.fileSize
    ijp search --query "SELECT ds.name FROM Dataset ds WHERE ds.name LIKE 'c%'"
    """
    if dataset is not None and not of_files:
        raise click.UsageError("--dataset narrows the search for --files")
    kind = "Datafile" if of_files else "Dataset"
    if fields:
        _list_fields(environment, kind)
        return
    if query is not None:
        _search_catalog(environment, query)
        return
    rows = [_row(condition) for condition in conditions]
    values = _values(text, dataset_type, items, sort, rows)
    if dataset is not None:
        values["dataset"] = str(dataset)
    found = _pages(environment, kind, values, limit)
    if only_ids:
        ids = [one["id"] for one in found]
        environment.show(ids, [",".join(map(str, ids))] if ids else [])
        return
    first = [name for name, _, _ in rows] + [(sort or "").lstrip("-")]
    if of_files:
        _print_datafiles(environment, found, columns, first)
    else:
        _print_datasets(environment, found, columns, first)


def _values(
    text: str | None,
    dataset_type: str | None,
    items: tuple[str, ...],
    sort: str | None,
    rows: Sequence[tuple[str, str, str]],
) -> dict[str, Any]:
    """The query parameters of the search page."""
    values: dict[str, Any] = {"type": dataset_type, "text": text, "sort": sort}
    values["p"] = [":".join([_escaped(name), sign, value]) for name, sign, value in rows]
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"--item is NAME=VALUE, not {item!r}")
        values.setdefault(f"item.{name}", []).append(value)
    return {name: value for name, value in values.items() if value}


def _pages(environment: Environment, kind: str, values: dict[str, Any], limit: int) -> list[Record]:
    portal = environment.portal
    search = portal.find_datafiles if kind == "Datafile" else portal.datasets
    found: list[Record] = []
    after: dict[str, str] = {}
    while True:
        size = str(min(_PAGE, limit - len(found)))
        page = search(**values, **after, limit=size)
        found += page[f"{kind.lower()}s"]
        if len(found) >= limit or not page["next"]:
            return found
        after = {"after": page["next"]}


def _row(condition: str) -> tuple[str, str, str]:
    """Name, operator on the wire, and value of a condition."""
    matched = _WHERE.match(condition)
    if not matched:
        raise click.UsageError(f"not NAME OPERATOR VALUE: {condition!r}")
    operator = _WIRE[matched["operator"].strip().upper()]
    value = matched["value"]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if operator == "between":
        value, ends = re.subn(r"\s+(?i:and)\s+", "..", value, count=1)
        if not ends and ".." not in value:
            raise click.UsageError(f"BETWEEN takes LOW and HIGH, not {value!r}")
    return matched["name"], operator, value


def _escaped(name: str) -> str:
    return re.sub(r"([:\\])", r"\\\1", name)


def _print_datasets(
    environment: Environment, found: list[Record], columns: Sequence[str], first: Sequence[str]
) -> None:
    rows: Iterator[list[object]] = (
        [
            one["id"],
            one["name"],
            one["type"],
            (one["investigation"] or {}).get("name"),
            *(_cells(one, columns) if columns else [_few(one, first)]),
        ]
        for one in found
    )
    titles = ["dataset", "name", "type", "investigation", *(columns or ["parameters"])]
    environment.table(found, titles, rows, "no dataset matches that you may read")


def _print_datafiles(
    environment: Environment, found: list[Record], columns: Sequence[str], first: Sequence[str]
) -> None:
    rows: Iterator[list[object]] = (
        [
            one["id"],
            one["name"],
            one["size"],
            one["format"],
            (one["dataset"] or {}).get("name"),
            *(_cells(one, columns) if columns else [_few(one, first)]),
        ]
        for one in found
    )
    titles = ["datafile", "name", "bytes", "format", "dataset", *(columns or ["parameters"])]
    environment.table(found, titles, rows, "no datafile matches that you may read")


def _cells(found: Record, columns: Sequence[str]) -> list[str]:
    values = {one["name"]: number(one["value"]) for one in found["parameters"]}
    return [values.get(name, "") for name in columns]


def _few(found: Record, first: Sequence[str]) -> str:
    """Some parameters in short; those that were asked about before others."""
    parameters = sorted(found["parameters"], key=lambda one: one["name"] not in first)
    texts = [f"{one['name']}={value_of({**one, 'error': None})}" for one in parameters[:_SHOWN]]
    return ", ".join(texts) + (" …" if len(parameters) > _SHOWN else "")


def _list_fields(environment: Environment, kind: str) -> None:
    found = environment.portal.searchable(kind)
    rows = (
        [
            one["key"],
            one["units"],
            one["kind"],
            " ".join(_SIGNS[name] for name in one["operators"]),
            ", ".join(one["values"]) or one["description"],
        ]
        for one in found
    )
    environment.table(found, ["name", "units", "kind", "operators", ""], rows, "nothing")


def _search_catalog(environment: Environment, query: str) -> None:
    found = environment.catalog.search(query)
    environment.show(found, map(_line, found))
    if not found:
        click.echo("nothing matches that you may read", err=True)


def _line(row: Any) -> str:
    if isinstance(row, dict):
        return "  ".join(f"{key}={value}" for key, value in row.items() if value not in (None, []))
    if isinstance(row, list):
        return "  ".join(str(one) for one in row)
    return str(row)


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="[ENTITY] ID")
@pass_environment
def show(environment: Environment, what: tuple[str, ...]) -> None:
    """Show a dataset with its parameters and files, or any entity of the catalog.

    \b
    ijp show 12
    ijp show Investigation 3
    """
    if len(what) > 2 or not (what[-1].isascii() and what[-1].isdigit()):
        raise click.UsageError("give a dataset's id, or the name of an entity and an id")
    id = int(what[-1])
    if len(what) == 2:
        found = environment.catalog.get(f"{what[0]} INCLUDE 1", id)
        environment.show(found, _entity_lines(found))
        return
    dataset = environment.portal.dataset(id)
    files = environment.portal.datafiles(id)
    environment.show({**dataset, "datafiles": files}, _dataset_lines(dataset, files))


def _entity_lines(found: Record) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield f"{key:20} {value.get('name') or ''} ({value.get('id')})"
        elif not isinstance(value, list):
            yield f"{key:20} {value}"


def _dataset_lines(dataset: Record, files: list[Record]) -> Iterator[str]:
    state = "" if dataset["complete"] else ", not complete"
    yield f"dataset {dataset['id']}  {dataset['name']}  ({dataset['type']}{state})"
    if dataset["description"]:
        yield f"  {dataset['description']}"
    if dataset["investigation"]:
        yield f"  in {dataset['investigation']['name']}: {dataset['investigation']['title']}"
    for parameter in dataset["parameters"]:
        yield f"  {parameter['name']:24} {value_of(parameter)}"
    for file in files:
        yield f"  {'datafile ' + str(file['id']):24} {file['name']}  {file['size']} bytes"
