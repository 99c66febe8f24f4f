"""The process of a stand-in that runs the jobs."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable

from tests.peers.standin.processes import kill_children

_PAUSE_SECONDS = 0.01
_SET_CHILD_SUBREAPER = 36


def until_told_to_stop(turn: Callable[[], None]) -> None:
    """Take turns until SIGTERM; everything that was started is ended then."""
    os.umask(0)
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
    while not stopping:
        turn()
        time.sleep(_PAUSE_SECONDS)
    kill_children()
