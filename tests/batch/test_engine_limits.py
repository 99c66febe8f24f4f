"""What every batch engine must do about limits, and what it tells of what jobs used."""

from __future__ import annotations

import signal
import time

import pytest

from batch.engine import EngineState


@pytest.fixture
def engine(make_engine):
    return make_engine()


def test_wall_time_limit_ends_the_job(engine, make_spec, wait_for):
    begun = time.monotonic()
    status = wait_for(engine, engine.submit(make_spec("sleep", "1000", wall_seconds=1)))
    assert status.reason == "wall time limit of 1 s"
    assert not status.succeeded
    assert 1 < time.monotonic() - begun < 20


def test_cpu_time_of_all_processes_is_limited(engine, make_spec, wait_for):
    fork = "import os; [os.fork() for _ in range(2)]\nwhile True: pass"
    status = wait_for(engine, engine.submit(make_spec(python=fork, cpu_seconds=1)))
    assert status.reason == "CPU time limit of 1 s"
    assert status.cpu_seconds is not None
    assert 1 < status.cpu_seconds < 4


def test_memory_hog_is_killed_soon(engine, make_spec, wait_for):
    hog = "print(1, flush=True); keep = [bytearray(b'x' * 4_000_000) for _ in range(2000)]"
    spec = make_spec(python=hog, memory_mib=100)
    batch_id = engine.submit(spec)
    wait_for(engine, batch_id, EngineState.RUNNING)
    begun = time.monotonic()
    status = wait_for(engine, batch_id)
    assert time.monotonic() - begun < 10
    assert (status.reason, status.signal) == ("memory limit of 100 MiB", signal.SIGKILL)
    assert status.peak_memory_bytes is not None
    assert status.peak_memory_bytes > 100 * 2**20


def test_memory_of_all_processes_together_is_limited(engine, make_spec, wait_for):
    """Each process keeps below the limit, their sum does not."""
    fork = (
        "import os, time\nfor _ in range(4):\n if os.fork() == 0:\n"
        "  keep = bytearray(b'x' * 40_000_000); time.sleep(1000)\ntime.sleep(1000)"
    )
    status = wait_for(engine, engine.submit(make_spec(python=fork, memory_mib=100)))
    assert status.reason == "memory limit of 100 MiB"


def test_memory_that_processes_share_counts_once(engine, make_spec, wait_for):
    fork = (
        "import os, time\nkeep = bytearray(b'x' * 60_000_000)\n"
        "for _ in range(3):\n if os.fork() == 0: time.sleep(0.6); os._exit(0)\n"
        "for _ in range(3): os.wait()"
    )
    status = wait_for(engine, engine.submit(make_spec(python=fork, memory_mib=150)))
    assert (status.exit_code, status.reason) == (0, "")


def test_usage_is_recorded(engine, make_spec, wait_for):
    burn = "import time\nx = bytearray(b'x' * 80_000_000)\nwhile time.process_time() < 0.3: pass"
    status = wait_for(engine, engine.submit(make_spec(python=burn)))
    assert status.cpu_seconds is not None
    assert status.peak_memory_bytes is not None
    assert 0.3 <= status.cpu_seconds < 2
    assert 80_000_000 < status.peak_memory_bytes < 200_000_000
