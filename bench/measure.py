"""Measuring, and saying what was measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One number with the limit it is compared with.

    Attributes:
        measured, limit: As text with units.
        good: Whether the target is met.
    """

    name: str
    measured: str
    limit: str
    target: str
    good: bool


def median_seconds(do: Callable[[], object], times: int = 15, warm: int = 2) -> float:
    """The median time of a call, after some that are not counted."""
    for _ in range(warm):
        do()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    lines = ["| what | measured | limit in the same run | target | |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.measured} | {one.limit} | {one.target} | "
        f"{'met' if one.good else '**missed**'} |"
        for one in results
    ]
    return "\n".join(lines)
