"""Run a dispatcher that is killed when it reaches a step: ``dispatch_until.py SETTINGS STEP``."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from portal import checkpoints
from servicekit.embedded import Process
from servicekit.service import services

settings_file, fatal_step = Path(sys.argv[1]), sys.argv[2]
assert fatal_step in checkpoints.STEPS


def reached(step: str) -> None:
    """Die here, as by the power switch."""
    if step == fatal_step:
        os.kill(os.getpid(), signal.SIGKILL)


checkpoints.reached = reached
start = services()["portal"].background
assert start is not None
start(settings_file, Process(settings_file).http)
time.sleep(60)
