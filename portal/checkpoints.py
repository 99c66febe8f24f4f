"""The steps at which a dispatcher may die without a job being lost or run twice."""

from __future__ import annotations

STEPS = (
    "chosen",
    "marked",
    "prepared",
    "submitted",
    "recorded",
    "ended",
    "outputs settled",
    "collection made",
    "provenance recorded",
    "finished",
)


def reached(step: str) -> None:
    """Nothing; the tests of what happens when the process is killed here replace it."""
    assert step in STEPS
