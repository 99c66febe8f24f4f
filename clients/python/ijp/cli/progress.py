"""Progress bars on standard error, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ijp.cli.text import one_line

Counted = Callable[[str, int, int | None], None]
"""Told what is counted, how many there are, and of how many; None if nobody knows."""


@dataclass(frozen=True)
class Bar:
    """A bar of bytes.

    Attributes:
        advance: Tells so many more bytes.
        name: Tells what they are of.
    """

    advance: Callable[[int], None]
    name: Callable[[str], None]


@contextmanager
def bytes_bar(label: str, total: int | None) -> Iterator[Bar]:
    """A bar for a transfer; total is None if nobody knows."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(escape(one_line(label)), total=total)
        yield Bar(
            advance=lambda size: bars.advance(task, size),
            name=lambda name: bars.update(task, description=escape(one_line(name))),
        )


@contextmanager
def counting_bar() -> Iterator[Counted]:
    """How many of how many there are so far, with the time that it has taken."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(separator=" of "),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)
        yield lambda what, done, total: bars.update(
            task, description=escape(one_line(what)), completed=done, total=total
        )
