"""The state of a stand-in for a batch system: one SQLite file, and two files of JSON.

A test writes these: ``config.json`` says what kind of cluster it is, ``faults.json`` what goes
wrong (see ``client``). A job is a mapping with its ``Job_Id`` and ``job_state``; what nobody is
shown begins with an underscore.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

Job = dict[str, Any]

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

    defaults: ClassVar[Mapping[str, Any]]
    """What the configuration is otherwise; "caller" is who runs the commands, or null."""
    in_records: ClassVar[str]
    """A text that the record of each job has, before something that a user wrote."""
    folders: ClassVar[Sequence[str]] = ()
    """What is created in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reread()
        self._database = sqlite3.connect(folder / "state.sqlite", timeout=60, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")

    def create(self) -> None:
        """Make the tables and folders where they are absent."""
        self._database.executescript(_TABLES)
        for name in self.folders:
            (self.folder / name).mkdir(exist_ok=True)

    def reread(self) -> None:
        """See what a test has changed in the configuration."""
        self.config = {**self.defaults, **_json(self.folder / "config.json")}

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

    def jobs(self, states: Sequence[str] = ()) -> list[Job]:
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
