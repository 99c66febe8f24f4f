"""How long a newcomer waits: ``make demo`` from a fresh clone, and the second start."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from bench.measure import Result
from bench.postgresql import free_port

_SERVING = "Serving at"


def measure(folder: Path) -> list[Result]:
    """Clone what is committed, and run the demonstration twice."""
    clone = folder / "clone"
    here = Path(__file__).resolve().parent.parent
    subprocess.run(["git", "clone", "-q", str(here), str(clone)], check=True)
    bind = f"127.0.0.1:{free_port()}"
    first, whole = _run(clone, ["make", "demo", f"BIND={bind}"])
    second, _ = _run(clone, [".venv/bin/ijpd", "demo", "--bind", bind])
    return [
        Result(
            "make demo, fresh clone, to the first page",
            f"{first:.0f} s",
            "none",
            "≤ 240 s",
            first <= 240,
        ),
        Result(
            "make demo, fresh clone, to the end of the day", f"{whole:.0f} s", "none", "none", True
        ),
        Result(
            "demonstration's second start, to the first page",
            f"{second:.1f} s",
            "none",
            "≤ 5 s",
            second <= 5,
        ),
    ]


def _run(clone: Path, command: list[str]) -> tuple[float, float]:
    """Seconds until it serves, and until it has ended well."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=clone,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DEMO_ONCE": "1", "PYTHONUNBUFFERED": "1"},
    )
    served = 0.0
    for line in process.stdout or ():
        if line.startswith(_SERVING):
            served = time.perf_counter() - began
    if process.wait() or not served:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return served, time.perf_counter() - began
