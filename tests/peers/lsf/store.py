"""What kind of LSF the stand-in is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.peers.standin import store
from tests.peers.standin.store import Job, number_of

__all__ = ["WAITING", "Job", "Store", "number_of"]

WAITING = ("PEND", "PSUSP")
STARTED = ("RUN", "USUSP")
ENDED = ("DONE", "EXIT")


class Store(store.Store):
    """A cluster's folder; a job's state is what bjobs shows as STAT."""

    defaults: ClassVar[Mapping[str, Any]] = {
        # Whoever runs the commands is this user; null takes the real one.
        "caller": None,
        "managers": ["root", "lsfadmin"],
        "hosts": [{"name": "hosta", "max": 2, "resources": ["fast"]}],
        "queues": ["normal", "short"],
        "default_queue": "normal",
        "projects": ["default", "neutrons"],
        "mbatchd_down": False,
        "scheduling": True,
        # lsb.params(5)
        "clean_period": 3600,
        # Whether lsb.events still has the jobs that bjobs has forgotten.
        "history": True,
        "job_terminate_interval": 2,
    }
    in_records: ClassVar[str] = '"JOB_NAME":"'
    folders: ClassVar[Sequence[str]] = ()
