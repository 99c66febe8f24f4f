"""What is counted of batch systems, for ``/metrics``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CALLS = Histogram(
    "ijp_engine_command_seconds",
    "How long the commands of a batch system took; the count is that of the calls.",
    ("engine", "command"),
    buckets=_SECONDS,
)
_FAILED = Counter(
    "ijp_engine_command_failures_total",
    "Commands of a batch system that failed, or gave no answer.",
    ("engine", "command"),
)


@contextmanager
def called(engine: str, command: str) -> Iterator[None]:
    """Count a call of a batch system, as failed if the block raises.

    Args:
        engine: The kind of the batch engine, such as ``slurm``.
    """
    begun = time.perf_counter()
    try:
        yield
    except Exception:
        _FAILED.labels(engine, command).inc()
        raise
    finally:
        _CALLS.labels(engine, command).observe(time.perf_counter() - begun)
