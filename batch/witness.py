"""How a job went, from two witnesses: the batch system, and what the runner left on the node."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from batch.command_settings import CommandSettings
from batch.engine import EngineState, JobSpec, JobStatus
from batch.job.runner import TOLD_TO_STOP, ended_from_outside

CANCELLED = "cancelled"
_MIB = 1024 * 1024
_FORCED = {signal.SIGTERM, signal.SIGKILL}
_STARTED = {EngineState.RUNNING, EngineState.SUSPENDED}


def runner_spec(spec: JobSpec, settings: CommandSettings) -> dict[str, Any]:
    """What the runner reads on the node."""
    limits = spec.resources
    return {
        "mark": spec.mark,
        "argv": list(spec.argv),
        "environment": dict(spec.environment),
        "folder": str(spec.folder),
        "stdout": str(spec.stdout),
        "stderr": str(spec.stderr),
        "output_limit_bytes": spec.output_limit_bytes,
        "pass_variables": list(settings.pass_variables),
        "accounts": list(settings.accounts),
        "lease_variable": settings.lease_variable,
        "busy_exit_code": settings.busy_exit_code,
        "family": spec.family,
        "report": str(spec.report) if spec.report else "",
        "limits": {
            "memory_bytes": limits.memory_mib and limits.memory_mib * _MIB,
            "wall_seconds": limits.wall_seconds,
            "cpu_seconds": limits.cpu_seconds,
            "processes": settings.process_limit,
            "grace_seconds": settings.grace_seconds,
        },
    }


def altered(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the runner shall read after a job's resources were changed."""
    limits = dict(content.get("limits", {}))
    for name in ("wall_seconds", "cpu_seconds"):
        limits[name] = changes.get(name, limits.get(name))
    if "memory_mib" in changes:
        limits["memory_bytes"] = changes["memory_mib"] * _MIB
    return {**content, "limits": limits}


def label(name: str) -> str:
    """A job's name as every batch system takes it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:40]
    return plain if plain[:1].isalpha() else f"job-{plain}".rstrip("-")


def running(told: JobStatus, start: Mapping[str, Any] | None) -> JobStatus:
    """A job that the system has: its word, and when the runner began."""
    if told.state not in _STARTED or start is None:
        return told
    return replace(told, started=told.started or _instant(start.get("started")))


def ended(
    told: JobStatus | None,
    start: Mapping[str, Any] | None,
    end: Mapping[str, Any] | None,
    *,
    log: str,
    cancelled: bool,
) -> JobStatus | None:
    """A job that the system has no more, or says has ended; None if neither witness knows.

    Args:
        log: What the system printed about the job.
        cancelled: Its end was asked for.
    """
    if end is not None:
        return _by_the_runner(told, end, cancelled)
    if told is None:
        # Some systems keep nothing of an array's element that was cancelled before it ran.
        never_ran = cancelled and start is None
        return JobStatus(state=EngineState.ENDED, reason=CANCELLED) if never_ran else None
    if told.reason or (cancelled and told.exit_code != 0):
        return replace(told, reason=told.reason or CANCELLED)
    if start is not None and told.exit_code == 0:
        return replace(told, started=told.started or _instant(start.get("started")))
    why = next((line.strip() for line in log.splitlines() if line.strip()), "")
    reason = "the batch system ended it" + ("" if start is not None else " before it began")
    return replace(told, reason=f"{reason}: {why[:300]}" if why else reason)


def settles(end: Mapping[str, Any] | None) -> bool:
    """Whether the runner's record tells all: the system may know why it ended the job itself."""
    return end is not None and not ended_from_outside(end)


def _by_the_runner(told: JobStatus | None, end: Mapping[str, Any], cancelled: bool) -> JobStatus:
    number = _integer(end.get("signal"))
    reason = str(end.get("reason") or "")
    if reason in ("", TOLD_TO_STOP):
        # Only the system knows why it ended a job; the program's own end needs no reason.
        outside = told.reason if told is not None else ""
        by_force = reason == TOLD_TO_STOP or number in _FORCED
        reason = outside or (CANCELLED if cancelled and by_force else reason)
    return JobStatus(
        state=EngineState.ENDED,
        exit_code=_integer(end.get("exit_code")),
        signal=number,
        reason=reason,
        started=_instant(end.get("started")),
        ended=_instant(end.get("ended")),
        cpu_seconds=_number(end.get("cpu_seconds")),
        peak_memory_bytes=_integer(end.get("peak_memory_bytes")),
        node=(told.node if told is not None else None) or str(end.get("host") or "") or None,
    )


def _instant(seconds: object) -> datetime | None:
    number = _number(seconds)
    try:
        return None if number is None else datetime.fromtimestamp(number, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and isinstance(value, (int, float)) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
