"""Find things and look at them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.portal import Record

_WHERE = re.compile(
    r"\s*(?P<name>.+?)\s*(?P<operator><=|>=|!=|=|<|>|\s(?i:LIKE|BETWEEN)\s)\s*(?P<value>.*?)\s*$"
)
_PAGE = 500
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


@click.command()
@click.argument("text", required=False)
@click.option("--type", "dataset_type", metavar="NAME", help="Only datasets of this type.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="'NAME OP VALUE'",
    help="A parameter or field: = != < <= > >= LIKE BETWEEN (v and w). May be repeated.",
)
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="NAME=VALUE",
    help="One of the facility's own search lists.",
)
@click.option("--sort", metavar="NAME", help="created, name or a parameter; -NAME for descending.")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@click.option("--ids", "only_ids", is_flag=True, help="Print only the ids, with commas.")
@click.option("--query", metavar="TEXT", help="A query in ICAT's own language instead.")
@pass_environment
def search(
    environment: Environment,
    text: str | None,
    dataset_type: str | None,
    conditions: tuple[str, ...],
    items: tuple[str, ...],
    sort: str | None,
    limit: int,
    only_ids: bool,
    query: str | None,
) -> None:
    """Find datasets by type, words and typed parameters.

    \b
    ijp search --type image --where "channels >= 2" --where "sharpness BETWEEN 1 and 5"
    ijp search nuclei --ids
    ijp search --query "SELECT ds.name FROM Dataset ds WHERE ds.name LIKE 'c%'"
    """
    if query is not None:
        _search_catalog(environment, query)
        return
    values: dict[str, Any] = {"limit": str(min(limit, _PAGE))}
    for key, value in (("type", dataset_type), ("text", text), ("sort", sort)):
        if value:
            values[key] = value
    if conditions:
        values["p"] = [_row(condition) for condition in conditions]
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"--item is NAME=VALUE, not {item!r}")
        values.setdefault(f"item.{name}", []).append(value)
    found = _pages(environment, values, limit)
    if only_ids:
        environment.show([one["id"] for one in found], ",".join(str(one["id"]) for one in found))
        return
    rows = [
        [one["id"], one["name"], _named(one["type"]), _named(one.get("investigation")), _few(one)]
        for one in found
    ]
    columns = ["dataset", "name", "type", "investigation", "parameters"]
    environment.table(found, columns, rows, "no dataset matches that you may read")


def _pages(environment: Environment, values: dict[str, Any], limit: int) -> list[Record]:
    portal = environment.portal()
    found: list[Record] = []
    while True:
        page = portal.datasets(**values)
        found += page["datasets"]
        if len(found) >= limit or not page.get("next"):
            return found[:limit]
        values["after"] = page["next"]


def _row(condition: str) -> str:
    matched = _WHERE.match(condition)
    if not matched:
        raise click.UsageError(f"not NAME OPERATOR VALUE: {condition!r}")
    operator = _WIRE[matched["operator"].strip().upper()]
    value = matched["value"]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if operator == "between":
        value = re.sub(r"\s+(?i:and)\s+", "..", value, count=1)
    name = re.sub(r"([:\\])", r"\\\1", matched["name"])
    return f"{name}:{operator}:{value}"


def _named(thing: Any) -> str:
    return str(thing.get("name") if isinstance(thing, dict) else thing or "")


def value_of(parameter: Record) -> str:
    """A parameter's value with its units, numbers in their shortest form."""
    value = parameter.get("value")
    for key in ("numericValue", "stringValue", "dateTimeValue"):
        if value is None:
            value = parameter.get(key)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    units = parameter.get("units")
    return f"{text} {units}" if units else text


def _few(dataset: Record, most: int = 4) -> str:
    shown = [f"{one['name']}={value_of(one)}" for one in dataset.get("parameters", [])]
    return ", ".join(shown[:most]) + (" …" if len(shown) > most else "")


def _search_catalog(environment: Environment, query: str) -> None:
    found = environment.catalog().search(query)
    environment.show(found, "\n".join(_line(row) for row in found) or "nothing matches")


def _line(row: Any) -> str:
    if isinstance(row, dict):
        return "\t".join(f"{key}={value}" for key, value in row.items() if value not in (None, []))
    if isinstance(row, list):
        return "\t".join(str(one) for one in row)
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
    if len(what) > 2 or not what[-1].isdigit():
        raise click.UsageError("give a dataset's id, or the name of an entity and an id")
    id = int(what[-1])
    if len(what) == 2:
        found = environment.catalog().get(f"{what[0]} INCLUDE 1", id)
        environment.show(found, "\n".join(_entity_lines(found)))
        return
    portal = environment.portal()
    dataset = portal.dataset(id)
    files = portal.datafiles(id)
    environment.show({**dataset, "datafiles": files}, "\n".join(_dataset_lines(dataset, files)))


def _entity_lines(found: Record) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield f"{key:20} {value.get('name') or ''} ({value.get('id')})"
        elif not isinstance(value, list):
            yield f"{key:20} {value}"


def _dataset_lines(dataset: Record, files: list[Record]) -> Iterator[str]:
    yield f"dataset {dataset['id']}  {dataset['name']}  ({_named(dataset['type'])})"
    if investigation := _named(dataset.get("investigation")):
        yield f"  in {investigation}"
    for parameter in dataset.get("parameters", []):
        yield f"  {parameter['name']:24} {value_of(parameter)}"
    for file in files:
        yield f"  {file['id']:>8}  {file['name']}  {file.get('size', file.get('fileSize'))} bytes"


@click.command()
@click.argument("dataset_id", type=int)
@click.option("--depth", default=5, show_default=True, help="So many jobs back and forth.")
@pass_environment
def provenance(environment: Environment, dataset_id: int, depth: int) -> None:
    """Show what a dataset was made from, by which programs, and what was made from it."""
    graph = environment.portal().provenance(dataset_id, depth)
    environment.show(graph, "\n".join(_graph_lines(graph, f"dataset:{dataset_id}")))


def _graph_lines(graph: Record, start: str) -> Iterator[str]:
    labels = {node["id"]: node for node in graph["nodes"]}
    makers: dict[str, list[str]] = {}
    makes: dict[str, list[str]] = {}
    for edge in graph["edges"]:
        makers.setdefault(edge["target"], []).append(edge["source"])
        makes.setdefault(edge["source"], []).append(edge["target"])
    yield _node(labels, start)
    for word, steps in (("made from", makers), ("used for", makes)):
        if steps.get(start):
            yield f"{word}:"
            yield from _walk(labels, steps, start, 1, {start})


def _walk(
    labels: dict[str, Record], steps: dict[str, list[str]], node: str, level: int, seen: set[str]
) -> Iterator[str]:
    for other in sorted(steps.get(node, [])):
        known = other in seen
        yield "  " * level + _node(labels, other) + (" (above)" if known else "")
        if not known:
            yield from _walk(labels, steps, other, level + 1, seen | {other})


def _node(labels: dict[str, Record], id: str) -> str:
    found = labels.get(id, {})
    kind, _, number = id.partition(":")
    return f"{found.get('kind', kind)} {number}  {found.get('label', '')}".rstrip()
