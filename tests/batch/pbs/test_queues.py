"""Reading the table of queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.pbs.queues import read_queues
from ijp.errors import EngineError

CAPTURES = Path(__file__).parents[1] / "captures" / "torque"


def test_queues_that_torque_printed_are_read():
    queues = read_queues((CAPTURES / "qstat-Q.txt").read_text())
    assert {queue.name: (queue.enabled, queue.started) for queue in queues} == {
        "short": (True, True),
        "route": (True, True),
        "long": (True, True),
        "closed": (False, False),
        "batch": (True, True),
    }


def test_what_is_no_table_of_queues_is_refused():
    with pytest.raises(EngineError):
        read_queues((CAPTURES / "qstat.txt").read_text())
