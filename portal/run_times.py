"""How long jobs of a type run, told from how long earlier ones ran; nothing is asked here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FEWEST_SIZED = 6
"""So many runs with known sizes are needed before sizes say anything."""
_BETTER_BY = 0.5
_QUANTILES = (0.1, 0.9)


@dataclass(frozen=True)
class Run:
    """A job that completed.

    Attributes:
        input_bytes: None if nobody knows.
    """

    seconds: float
    input_bytes: int | None = None
    engine: str = ""


@dataclass(frozen=True)
class RunTime:
    """How long one job will probably run.

    Attributes:
        low: Nine of ten earlier runs took longer than that; ``high``: shorter.
        runs: How many earlier runs there were.
        is_by_size: The size of the data was taken into account.
    """

    seconds: float
    low: float
    high: float
    runs: int
    is_by_size: bool = False

    @property
    def words(self) -> str:
        """For users: "about 3 min (median of 12 earlier runs, 2 min to 5 min)"."""
        basis = f"median of {self.runs} earlier runs"
        if self.runs == 1:
            basis = "one earlier run"
        elif self.is_by_size:
            basis = f"by the size of the data and {self.runs} earlier runs"
        low, high = about(self.low), about(self.high)
        span = f", {low} to {high}" if low != high else ""
        return f"about {about(self.seconds)} ({basis}{span})"


NONE = "no earlier runs"
"""What is told where there is no run time."""


def about(seconds: float) -> str:
    """A length of time as roughly as it is known: "40 s", "3 min", "2.5 h"."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{round(seconds / 1800) / 2:g} h"
    return f"{round(seconds / 86400)} days"


def of_runs(runs: Sequence[Run], input_bytes: int | None = None) -> RunTime | None:
    """How long the next one will run; None if there were none.

    The size of its inputs counts where it explained the earlier runs clearly better.
    """
    if not runs:
        return None
    seconds = sorted(one.seconds for one in runs)
    middle = median(seconds)
    low, high = (_quantile(seconds, part) for part in _QUANTILES)
    plain = RunTime(middle, low, high, len(runs))
    if input_bytes is None:
        return plain
    return _by_size(runs, input_bytes) or plain


def _by_size(runs: Sequence[Run], input_bytes: int) -> RunTime | None:
    """By a straight line through sizes and times (Theil-Sen), if that is clearly better."""
    points = [(float(one.input_bytes), one.seconds) for one in runs if one.input_bytes is not None]
    if len(points) < FEWEST_SIZED:
        return None
    slopes = [
        (y - x_seconds) / (x - size)
        for place, (size, x_seconds) in enumerate(points)
        for x, y in points[:place]
        if x != size
    ]
    if not slopes or (slope := median(slopes)) <= 0:
        return None
    start = median(y - slope * x for x, y in points)
    least = min(y for _, y in points)

    def predicted(size: float) -> float:
        return max(start + slope * size, least / 2)

    middle = median(y for _, y in points)
    off = median(abs(y - predicted(x)) for x, y in points)
    if off > _BETTER_BY * median(abs(y - middle) for _, y in points):
        return None
    ratios = sorted(y / predicted(x) if predicted(x) else 1.0 for x, y in points)
    seconds = predicted(float(input_bytes))
    low, high = (min(max(_quantile(ratios, part), 0.0), 10.0) for part in _QUANTILES)
    return RunTime(
        seconds, seconds * min(low, 1.0), seconds * max(high, 1.0), len(points), is_by_size=True
    )


def _quantile(ordered: Sequence[float], part: float) -> float:
    """A value of the list, the one so far along it; the ends where it is short."""
    place = part * (len(ordered) - 1)
    return ordered[math.floor(place) if part < 0.5 else math.ceil(place)]
