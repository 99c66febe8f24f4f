"""A process that submits jobs and may be killed at any moment: ``python -m … FOLDER``.

``FOLDER/plan.json`` has the settings of the engine, the marks and how many are submitted at a time.
It ends with 0 as soon as the engine knows all of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from batch.engine import JobSpec
from batch.engines.torque import TorqueEngine


def main(folder: Path) -> None:
    """Submit what the engine does not know, until it knows all."""
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    engine = TorqueEngine(plan["settings"], folder / "engine")
    marks: list[str] = plan["marks"]
    at_once: int = plan["at_once"]
    while absent := _absent(engine, marks):
        for start in range(0, len(absent), at_once):
            engine.submit_many([_spec(folder, one) for one in absent[start : start + at_once]])


def _absent(engine: TorqueEngine, marks: list[str]) -> list[str]:
    known = engine.find(marks)
    return [mark for mark in marks if mark not in known]


def _spec(folder: Path, mark: str) -> JobSpec:
    return JobSpec(
        mark=mark,
        owner="alice",
        argv=("sh", "-c", f"echo run >> ran-{mark}"),
        environment={},
        folder=folder / "work",
        stdout=folder / "work" / f"{mark}.out",
        stderr=folder / "work" / f"{mark}.err",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
