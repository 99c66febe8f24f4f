"""Runs jobs on a local engine to their ends; a plan and what became of it, as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from batch.engine import EngineState, JobSpec
from batch.engines.local import LocalEngine
from batch.resources import Resources


def main(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Submit all and wait for all; cancel those whose marker file appears, or that must wait."""
    folder = Path(plan["folder"])
    engine = LocalEngine(plan["settings"], folder / "spool")
    specs = [_spec(folder, job) for job in plan["jobs"]]
    cancels = {
        spec.mark: Path(job["cancel_when"])
        for spec, job in zip(specs, plan["jobs"], strict=True)
        if "cancel_when" in job
    }
    for answer in engine.submit_many(specs):
        if not isinstance(answer, str):
            raise answer
    impatient = {job["mark"] for job in plan["jobs"] if job.get("cancel_if_waiting")}
    waited: dict[str, str] = {}
    while True:
        statuses = engine.status([spec.mark for spec in specs])
        for mark, status in statuses.items():
            if status.state is EngineState.QUEUED and status.reason:
                waited[mark] = status.reason
                if "release_when_one_waits" in plan:
                    Path(plan["release_when_one_waits"]).touch()
                if mark in impatient:
                    impatient.remove(mark)
                    engine.cancel(mark)
            if mark in cancels and cancels[mark].exists():
                cancels.pop(mark)
                engine.cancel(mark)
        if all(status.state is EngineState.ENDED for status in statuses.values()):
            break
        time.sleep(0.05)
    return [
        {
            "mark": spec.mark,
            "exit_code": statuses[spec.mark].exit_code,
            "signal": statuses[spec.mark].signal,
            "reason": statuses[spec.mark].reason,
            "peak_memory_bytes": statuses[spec.mark].peak_memory_bytes,
            "waited": waited.get(spec.mark, ""),
            "out": _read(spec.stdout),
            "err": _read(spec.stderr),
        }
        for spec in specs
    ]


def _spec(folder: Path, job: dict[str, Any]) -> JobSpec:
    place = folder / job["mark"]
    (place / "work").mkdir(parents=True)
    environment = dict(job.get("environment", {}))
    if "token" in job:
        (place / "job.json").write_text(job["token"])
        (place / "job.json").chmod(0o600)
        environment["IJP_JOB_FILE"] = str(place / "job.json")
    return JobSpec(
        mark=job["mark"],
        owner=job.get("owner", "alice"),
        argv=tuple(job["argv"]),
        environment=environment,
        folder=place / "work",
        stdout=place / "out",
        stderr=place / "err",
        family=job.get("family", ""),
        resources=Resources(**job.get("resources", {})),
    )


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


if __name__ == "__main__":
    os.umask(0o077)
    print(json.dumps(main(json.load(sys.stdin))))
