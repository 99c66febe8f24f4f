"""From a graph to a picture: layers from left to right, in the order in which things were made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from portal.provenance_graph import Graph, Node

WIDTH, HEIGHT = 176, 46
_GAP_X, _GAP_Y, _MARGIN = 52, 18, 12
_SWEEPS = 6
_LETTERS = 23


@dataclass(frozen=True)
class Box:
    """A node's place, by its upper left corner."""

    node: Node
    x: int
    y: int

    @property
    def label(self) -> str:
        """As much of the label as there is room for."""
        return _short(self.node.label)

    @property
    def detail(self) -> str:
        """As much of the second line as there is room for."""
        return _short(self.node.detail, _LETTERS + 3)


@dataclass(frozen=True)
class Line:
    """An edge as the path of an SVG."""

    path: str
    kind: str


@dataclass(frozen=True)
class Picture:
    """Boxes and lines in an area of so many pixels; boxes in the order of reading."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def _short(text: str, most: int = _LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 9]}…{text[-8:]}"


def draw(graph: Graph) -> Picture:
    """Lay a graph out."""
    layer = layers(graph)
    rows: dict[int, list[str]] = defaultdict(list)
    for id in graph.nodes:
        rows[layer[id]].append(id)
    columns = [_ordered for _, _ordered in sorted(rows.items())]
    before, after = _neighbours(graph)
    _untangle(columns, before, after)
    y = _heights(columns, before, after)
    top = min(y.values())
    boxes = {
        id: Box(
            graph.nodes[id],
            _MARGIN + number * (WIDTH + _GAP_X),
            round(y[id] - top) + _MARGIN,
        )
        for number, column in enumerate(columns)
        for id in column
    }
    return Picture(
        width=2 * _MARGIN + len(columns) * (WIDTH + _GAP_X) - _GAP_X,
        height=max(box.y for box in boxes.values()) + HEIGHT + _MARGIN,
        boxes=tuple(boxes.values()),
        lines=tuple(
            Line(_path(boxes[edge.source], boxes[edge.target]), edge.kind) for edge in graph.edges
        ),
    )


def layers(graph: Graph) -> dict[str, int]:
    """Each node's layer: one more than that of the last of what leads to it.

    In a circle, which a job that added to its own input makes, one edge does not count.
    """
    before, after = _neighbours(graph)
    found: dict[str, int] = {}
    for start in graph.nodes:
        path: dict[str, Iterable[str]] = {}
        _rank(start, before, found, path)
    # What nothing leads to, such as an application, stands just before its first use.
    for id, targets in after.items():
        if targets and not before[id]:
            found[id] = max(0, min(found[one] for one in targets) - 1)
    least = min(found.values())
    return {id: number - least for id, number in found.items()}


def _rank(
    start: str,
    before: Mapping[str, Sequence[str]],
    found: dict[str, int],
    waiting: dict[str, Iterable[str]],
) -> None:
    """Depth first without recursion: chains may be longer than the stack."""
    stack = [start]
    while stack:
        id = stack[-1]
        if id in found:
            stack.pop()
            continue
        if id not in waiting:
            waiting[id] = ()
            pending = [one for one in before[id] if one not in found and one not in waiting]
            if pending:
                stack.extend(pending)
                continue
        ranks = [found[one] for one in before[id] if one in found]
        found[id] = max(ranks, default=-1) + 1
        stack.pop()


def _neighbours(graph: Graph) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {id: [] for id in graph.nodes}
    after: dict[str, list[str]] = {id: [] for id in graph.nodes}
    for edge in graph.edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    return before, after


def _untangle(
    columns: list[list[str]], before: Mapping[str, list[str]], after: Mapping[str, list[str]]
) -> None:
    """Order each column by the middle of its neighbours, so that few lines cross."""
    place = {id: number for column in columns for number, id in enumerate(column)}
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            beside = before if forward else after
            middle = {id: _mean([place[one] for one in beside[id]], place[id]) for id in column}
            column.sort(key=middle.__getitem__)
            place.update((id, number) for number, id in enumerate(column))


def _heights(
    columns: Sequence[Sequence[str]],
    before: Mapping[str, list[str]],
    after: Mapping[str, list[str]],
) -> dict[str, float]:
    """Each node's height: as near to its neighbours' as its column has room for."""
    step = HEIGHT + _GAP_Y
    y = {id: number * float(step) for column in columns for number, id in enumerate(column)}
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else list(reversed(columns)):
            wanted = [_mean([y[one] for one in [*before[id], *after[id]]], y[id]) for id in column]
            placed = _spread(wanted, step)
            y.update(zip(column, placed, strict=True))
    return y


def _spread(wanted: Sequence[float], step: float) -> list[float]:
    """The heights nearest to the wanted ones that keep the order and the distance."""
    blocks: list[tuple[float, int]] = []
    for number, height in enumerate(wanted):
        mean, size = height - number * step, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean = (other * count + mean * size) / (count + size)
            size += count
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    return [mean + number * step for number, mean in enumerate(flat)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _path(source: Box, target: Box) -> str:
    start = (source.x + WIDTH, source.y + HEIGHT // 2)
    end = (target.x, target.y + HEIGHT // 2)
    bend = max(_GAP_X, abs(end[0] - start[0])) // 2
    return (
        f"M{start[0]} {start[1]}C{start[0] + bend} {start[1]} {end[0] - bend} {end[1]}"
        f" {end[0]} {end[1]}"
    )
