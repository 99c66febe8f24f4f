"""Following jobs to their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ijp.cli.exit_status import ExitStatus
from ijp.cli.text import one_line
from ijp.errors import UnavailableError
from ijp.portal import FINAL_STATES, PortalClient, Record

T = TypeVar("T")
POLL_SECONDS = 0.5
_MOST_BARS = 12
_PAGE = 500
_PATIENCE_SECONDS = 120.0


def outcome_of(jobs: Collection[Record]) -> ExitStatus:
    """The exit status that tells how jobs ended: the worst of them."""
    states = {job["state"] for job in jobs}
    if states - {"Completed", "Cancelled"}:
        return ExitStatus.JOB_FAILED
    return ExitStatus.JOB_CANCELLED if "Cancelled" in states else ExitStatus.OK


def sweep_outcome(sweep: Record) -> ExitStatus:
    """The exit status that tells how a sweep's jobs ended: the worst of them."""
    counts = sweep["counts"]
    if counts["failed"]:
        return ExitStatus.JOB_FAILED
    return ExitStatus.JOB_CANCELLED if counts["cancelled"] else ExitStatus.OK


def counted(sweep: Record) -> str:
    """How many of a sweep's jobs are where, in words."""
    words = ("done", "failed", "cancelled", "running", "waiting")
    counts = sweep["counts"]
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word])


def watch_sweep(portal: PortalClient, sweep_id: int) -> Record:
    """Show a sweep's progress on standard error until all has ended; gives it as it is then."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[word]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
    ) as bars:
        row = bars.add_task(f"sweep s{sweep_id}", total=None, word="")
        while True:
            found = _until_it_answers(lambda: portal.sweep(sweep_id))
            counts = found["counts"]
            total, ended = counts["total"], counts["ended"]
            bars.update(row, total=total, completed=ended, word=counted(found))
            if ended == total:
                return found
            time.sleep(POLL_SECONDS)


def why(job: Record) -> str:
    """What a job does now, or how it ended."""
    if job["state"] == "Executing" and job["progress"] is not None:
        return f"{100 * float(job['progress']):.0f} % {job['progressMessage'] or ''}".strip()
    return str(job["reason"] or "")


def watch_jobs(portal: PortalClient, ids: list[int]) -> tuple[list[Record], ExitStatus]:
    """Show the progress of jobs on standard error until all have ended; gives them as they are."""
    found: dict[int, Record] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[word]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
    ) as bars:
        rows = _rows(bars, ids)
        while waiting := [id for id in ids if not _has_ended(found.get(id))]:
            found |= _patiently(portal, waiting)
            _show(bars, rows, found)
            if not all(_has_ended(found[id]) for id in waiting):
                time.sleep(POLL_SECONDS)
    jobs = [found[id] for id in ids]
    return jobs, outcome_of(jobs)


def _rows(bars: Progress, ids: list[int]) -> dict[int, TaskID]:
    """A bar for each job, or one for all if they are many."""
    if len(ids) > _MOST_BARS:
        row = bars.add_task(f"{len(ids)} jobs", total=len(ids), word="")
        return dict.fromkeys(ids, row)
    return {id: bars.add_task(f"job {id}", total=1.0, word="") for id in ids}


def _show(bars: Progress, rows: dict[int, TaskID], found: dict[int, Record]) -> None:
    if len(rows) > _MOST_BARS:
        ended = sum(map(_has_ended, found.values()))
        failed = sum(job["state"] == "Failed" for job in found.values())
        word = f"{ended} ended, {failed} failed"
        bars.update(next(iter(rows.values())), completed=ended, word=word)
        return
    for id, job in found.items():
        done = 1.0 if job["state"] == "Completed" else float(job["progress"] or 0)
        word = escape(one_line(f"{job['state']}: {why(job)}".removesuffix(": ")))
        bars.update(rows[id], completed=done, word=word)
        if _has_ended(job):
            bars.stop_task(rows[id])


def _has_ended(job: Record | None) -> bool:
    return job is not None and job["state"] in FINAL_STATES


def _patiently(portal: PortalClient, ids: list[int]) -> dict[int, Record]:
    return _until_it_answers(lambda: _now(portal, ids))


def _until_it_answers(ask: Callable[[], T]) -> T:
    """The answer; a portal that is being restarted is waited for."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except UnavailableError:
            if time.monotonic() > until:
                raise
            time.sleep(2 * POLL_SECONDS)


def _now(portal: PortalClient, ids: list[int]) -> dict[int, Record]:
    if len(ids) < 3:
        return {id: portal.job(id) for id in ids}
    wanted, after = set(ids), max(ids) + 1
    found: dict[int, Record] = {}
    while after is not None and after > min(ids):
        page = portal.jobs(after=after, limit=_PAGE)
        found |= {job["id"]: job for job in page["jobs"] if job["id"] in wanted}
        after = page["next"]
    return found | {id: portal.job(id) for id in wanted - found.keys()}
