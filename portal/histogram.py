"""A small picture of how values are distributed, with the smallest and the largest below it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from portal.formats import number

_WIDTH, _HEIGHT, _TEXT = 220, 36, 14
_BINS = 22


def bins(values: Sequence[float], most: int = _BINS) -> list[int]:
    """How many values there are in each of so many equal parts of their range."""
    if not values:
        return []
    low, high = min(values), max(values)
    if high == low:
        return [len(values)]
    counts = [0] * most
    for value in values:
        counts[min(most - 1, int((value - low) / (high - low) * most))] += 1
    return counts


def histogram(values: Sequence[float], units: str = "") -> str:
    """The picture, as SVG for light and dark grounds; it says so if there are no values."""
    counts = bins(values)
    if not counts:
        body = _text(0, "start", "no values here")
    else:
        low, high = _short(min(values)), _short(max(values))
        body = _bars(counts)
        if low == high:
            body += _text(0, "start", f"all {high} {units}".strip())
        else:
            body += _text(0, "start", low) + _text(_WIDTH, "end", f"{high} {units}".strip())
    size = f'width="{_WIDTH}" height="{_HEIGHT + _TEXT}"'
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT + _TEXT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box}>{body}</svg>'


def _short(value: float) -> str:
    return number(float(f"{value:.4g}"))


def _bars(counts: Sequence[int]) -> str:
    width = _WIDTH / len(counts)
    most = max(counts)
    parts = []
    for place, count in enumerate(counts):
        if count:
            height = max(2.0, _HEIGHT * count / most)
            parts.append(
                f'<rect x="{place * width:.1f}" y="{_HEIGHT - height:.1f}"'
                f' width="{max(1.0, width - 1):.1f}" height="{height:.1f}" fill="#6f8fb0"/>'
            )
    return "".join(parts)


def _text(x: int, anchor: str, text: str) -> str:
    # A grey with enough contrast on white and on black alike.
    return (
        f'<text x="{x}" y="{_HEIGHT + 11}" font-size="11" font-family="sans-serif"'
        f' text-anchor="{anchor}" fill="#767676">{escape(text)}</text>'
    )
