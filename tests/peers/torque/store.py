"""The stand-in's state: one SQLite file, and two files of JSON that a test writes.

``config.json`` says what kind of cluster it is, ``faults.json`` what goes wrong (see ``faults``).
A job is a mapping from attribute to text or mapping, as qstat shows it; what nobody is shown
begins with an underscore.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Job = dict[str, Any]

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

_TABLES = """
CREATE TABLE IF NOT EXISTS job (
    number INTEGER NOT NULL, element INTEGER NOT NULL, id TEXT PRIMARY KEY, state TEXT NOT NULL,
    content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS job_order ON job (number, element);
CREATE INDEX IF NOT EXISTS job_state ON job (state);
CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, content TEXT NOT NULL);
"""


class Store:
    """A cluster's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = DEFAULTS | _json(folder / "config.json")
        self.server: str = self.config["server"]
        self._database = sqlite3.connect(folder / "state.sqlite", timeout=60, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")

    def create(self) -> None:
        """Make the tables and folders where they are absent."""
        self._database.executescript(_TABLES)
        for name in ("accounting", "jobs", "spool", "mom_priv", "undelivered", "home"):
            (self.folder / name).mkdir(exist_ok=True)

    def reread(self) -> None:
        """See what a test has changed in the configuration."""
        self.config = DEFAULTS | _json(self.folder / "config.json")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing; nobody else writes meanwhile."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def changes(self) -> int:
        """A number that differs when somebody else has written."""
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def new_number(self) -> int:
        """The next job's number; it is consumed even if the submission fails after this."""
        number = int(self.value("next_job_number") or 1)
        self.set_value("next_job_number", number + 1)
        return number

    def value(self, name: str) -> Any:
        row = self._database.execute("SELECT content FROM value WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_value(self, name: str, content: Any) -> None:
        self._database.execute("REPLACE INTO value VALUES (?, ?)", (name, json.dumps(content)))

    def add(self, job: Job) -> None:
        number, element = _order(job["Job_Id"])
        self._database.execute(
            "INSERT INTO job VALUES (?, ?, ?, ?, ?)",
            (number, element, job["Job_Id"], job["job_state"], json.dumps(job)),
        )

    def save(self, job: Job) -> None:
        self._database.execute(
            "UPDATE job SET state = ?, content = ? WHERE id = ?",
            (job["job_state"], json.dumps(job), job["Job_Id"]),
        )

    def remove(self, job: Job) -> None:
        self._database.execute("DELETE FROM job WHERE id = ?", (job["Job_Id"],))

    def get(self, job_id: str) -> Job | None:
        row = self._database.execute("SELECT content FROM job WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def jobs(self, states: str = "") -> list[Job]:
        """All jobs in the order of their submission, of these states."""
        order = " ORDER BY number, element"
        if not states:
            rows = self._database.execute("SELECT content FROM job" + order)
        else:
            marks = ", ".join("?" * len(states))
            rows = self._database.execute(
                f"SELECT content FROM job WHERE state IN ({marks}){order}", tuple(states)
            )
        return [json.loads(row[0]) for row in rows]

    def elements(self, number: int) -> list[Job]:
        """The jobs of an array, without the array itself."""
        rows = self._database.execute(
            "SELECT content FROM job WHERE number = ? AND element >= 0 ORDER BY element", (number,)
        )
        return [json.loads(row[0]) for row in rows]

    def clear(self) -> None:
        """As a server that was set up anew: no jobs, and numbers begin again."""
        self._database.execute("DELETE FROM job")
        self._database.execute("DELETE FROM value")

    def caller(self) -> str:
        """Who runs the command."""
        return self.config["caller"] or pwd.getpwuid(os.getuid()).pw_name

    def is_manager(self, user: str) -> bool:
        return user == "root" or user in self.config["managers"]

    def is_operator(self, user: str) -> bool:
        return self.is_manager(user) or user in self.config["operators"]

    def home(self, user: str) -> str:
        try:
            return pwd.getpwnam(user).pw_dir
        except KeyError:
            return str(self.folder / "home")


def number_of(job_id: str) -> int:
    """The number in an id of any form."""
    return _order(job_id)[0]


def _order(job_id: str) -> tuple[int, int]:
    """Number and element; an array itself has the element -1, an ordinary job -2."""
    found = re.match(r"(\d+)(?:\[(\d*)\])?", job_id)
    assert found, job_id
    if found[2] is None:
        return int(found[1]), -2
    return int(found[1]), int(found[2]) if found[2] else -1


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content
