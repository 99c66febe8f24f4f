"""What kind of cluster the stand-in is, and who may do what in it."""

from __future__ import annotations

import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tests.peers.standin import store
from tests.peers.standin.store import Job, number_of

__all__ = ["Job", "Store", "number_of"]

DEFAULTS: dict[str, Any] = {
    "server": "head",
    "dialect": "torque",
    # Whoever runs the commands is this user; null takes the real one.
    "caller": "tqportal",
    "managers": ["tqportal"],
    "operators": [],
    # Users that have no account on this machine; their jobs run as whoever runs the stand-in.
    "users": ["tqportal", "tqalice", "tqbob"],
    "groups": {"tqgrp": ["tqalice"]},
    "query_other_jobs": False,
    "keep_completed": 300,
    "scheduling": True,
    "check_poll_time": 0.1,
    "undelivered_seconds": 0.3,
    "prologue_seconds": 5,
    "exec_with_exec": False,
    "max_job_array_size": 5000,
    "dead_nodes": [],
    "down_nodes": [],
    "server_down": False,
    "trqauthd_down": False,
    "nodes": [
        {"name": "node01", "np": 4, "properties": "fast"},
        {"name": "node02", "np": 2, "properties": "bigmem,fast"},
    ],
    "default_queue": "batch",
    "queues": {
        "short": {
            "max_user_queuable": 5,
            "max": {"walltime": "00:10:00", "mem": "4gb"},
            "default": {"walltime": "00:05:00"},
        },
        "route": {"type": "Route"},
        "long": {"acl_users": ["tqbob"], "default": {"walltime": "24:00:00"}},
        "closed": {"enabled": False, "started": False},
        "batch": {"default": {"nodes": "1", "walltime": "01:00:00"}},
    },
}


class Store(store.Store):
    """A cluster's folder; a job is as qstat shows it."""

    defaults: ClassVar[Mapping[str, Any]] = DEFAULTS
    in_records: ClassVar[str] = "<Job_Owner>"
    folders: ClassVar[Sequence[str]] = (
        "accounting",
        "jobs",
        "spool",
        "mom_priv",
        "undelivered",
        "home",
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server: str = self.config["server"]

    def is_manager(self, user: str) -> bool:
        return user == "root" or user in self.config["managers"]

    def is_operator(self, user: str) -> bool:
        return self.is_manager(user) or user in self.config["operators"]

    def home(self, user: str) -> str:
        try:
            return pwd.getpwnam(user).pw_dir
        except KeyError:
            return str(self.folder / "home")
