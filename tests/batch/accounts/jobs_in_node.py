"""Jobs that leave something behind in a worker node, for any batch system that runs there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from ulid import ULID

from batch.engine import BatchEngine, EngineState, JobSpec, JobStatus

LEAVE = """
import os, sys, time
def note(what):
    line = f"{what} {sys.argv[1]} {os.environ['COUNT']} {time.monotonic()}\\n"
    file = os.open("/srv/shared/log", os.O_WRONLY | os.O_APPEND)
    os.write(file, line.encode())
note("start")
left = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())
        and os.path.exists(f"/proc/{pid}/cmdline")
        and b"left-by-a-job" in open(f"/proc/{pid}/cmdline", "rb").read()]
print("left:", left, os.path.exists("/tmp/left"))
open("/tmp/left", "w")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        os.execv("/usr/bin/python3", ["left-by-a-job", "-c", "import time; time.sleep(600)"])
    os._exit(0)
time.sleep(1)
note("end")
"""
WORK = Path("/var/lib/ijp-work")


def run(engine: BatchEngine, specs: Sequence[JobSpec]) -> dict[str, JobStatus]:
    """Submit jobs and wait for their ends, which are given by the engine's ids."""
    ids = [str(one) for one in engine.submit_many(specs)]
    end = time.monotonic() + 90
    told = engine.status(ids)
    while any(one.state is not EngineState.ENDED for one in told.values()):
        assert time.monotonic() < end, told
        time.sleep(0.2)
        told = engine.status(ids)
    return {one: told[one] for one in ids}


def spec(account: str, counter: str) -> JobSpec:
    """A job that notes its start and end, and leaves a process and a file.

    Args:
        counter: The shell's variable that says how often the job was started again.
    """
    mark = str(ULID())
    counting = ("sh", "-c", f'COUNT=${{{counter}:-0}} exec "$0" "$@"')
    place = WORK / mark
    place.mkdir(mode=0o755, parents=True)
    shutil.chown(place, account, account)
    return JobSpec(
        mark=mark,
        owner="alice",
        argv=(*counting, "/usr/bin/python3", "-I", "-S", "-c", LEAVE, mark),
        environment={},
        folder=place,
        stdout=place / "out",
        stderr=place / "err",
    )


def outputs() -> list[str]:
    """What all of them printed."""
    return [path.read_text() for path in WORK.glob("*/out")]
