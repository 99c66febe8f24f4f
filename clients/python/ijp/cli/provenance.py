"""What came from what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.portal import Record

Steps = Mapping[str, Sequence[str]]


@click.command()
@click.argument("dataset_id", type=click.IntRange(1), metavar="DATASET")
@click.option(
    "--depth",
    default=5,
    show_default=True,
    type=click.IntRange(1, 50),
    help="So many jobs back and forth.",
)
@pass_environment
def provenance(environment: Environment, dataset_id: int, depth: int) -> None:
    """Show what a dataset was made from, by which programs, and what was made from it."""
    graph = environment.portal.provenance(dataset_id, depth)
    environment.show(graph, _lines(graph, f"dataset:{dataset_id}"))


def _lines(graph: Record, start: str) -> Iterator[str]:
    nodes = {node["id"]: node for node in graph["nodes"]}
    makers: dict[str, list[str]] = {}
    makes: dict[str, list[str]] = {}
    for edge in graph["edges"]:
        makers.setdefault(edge["target"], []).append(edge["source"])
        makes.setdefault(edge["source"], []).append(edge["target"])
    yield _line(nodes[start])
    for title, steps in (("made from:", makers), ("used for:", makes)):
        if steps.get(start):
            yield title
            yield from _walk(nodes, steps, start, "  ", {start})


def _walk(
    nodes: Mapping[str, Record], steps: Steps, node: str, indent: str, seen: set[str]
) -> Iterator[str]:
    """All that is reached, depth first; what was shown before is not followed again."""
    for other in sorted(steps.get(node, []), key=_order):
        known = other in seen
        seen.add(other)
        yield indent + _line(nodes[other]) + (" (see above)" if known else "")
        if not known:
            yield from _walk(nodes, steps, other, indent + "  ", seen)


def _order(id: str) -> tuple[bool, str, int]:
    kind, _, number = id.partition(":")
    return kind == "application", kind, int(number)


def _line(node: Record) -> str:
    return "  ".join(part for part in (_reference(node), node["label"], _detail(node)) if part)


def _reference(node: Record) -> str:
    """The kind, and what ``ijp status`` or ``ijp show`` takes to tell more.

    A job that was not run by this portal has only its number in the catalog.
    """
    number = node["id"].partition(":")[2]
    if node["kind"] == "application":
        return "application"
    if node["kind"] == "job":
        number = (node["href"] or "").rpartition("/")[2] or f"{number} elsewhere"
    return f"{node['kind']} {number}"


def _detail(node: Record) -> str:
    return f"({node['detail']})" if node["detail"] else ""
