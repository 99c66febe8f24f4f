"""The queue and its jobs, on disk: one SQLite file, one transaction per change.

States are "queued", "held", "starting" (taken from the queue, its program certainly not started),
"running" (its program may have been started) and "ended". Only from "starting" may a job go back.
"""

from __future__ import annotations

import os
import sqlite3
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from batch.local.outcome import Outcome

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mark TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    argv BLOB NOT NULL,
    environment BLOB NOT NULL,
    folder BLOB NOT NULL,
    stdout BLOB NOT NULL,
    stderr BLOB NOT NULL,
    output_limit_bytes INTEGER NOT NULL,
    cores INTEGER NOT NULL,
    memory_bytes INTEGER,
    wall_seconds INTEGER,
    cpu_limit_seconds INTEGER,
    state TEXT NOT NULL,
    submitted REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    boot TEXT,
    session INTEGER,
    session_start INTEGER,
    started REAL,
    ended REAL,
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    cpu_seconds REAL,
    peak_memory_bytes INTEGER
);
CREATE INDEX IF NOT EXISTS job_queue ON job (state, owner, number, cores);
CREATE TABLE IF NOT EXISTS owner (name TEXT PRIMARY KEY, turn INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value REAL NOT NULL);
CREATE TABLE IF NOT EXISTS account_helper (word INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS family (mark TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
"""

_NEXT = """
SELECT first.number, first.cores, coalesce(busy.cores, 0) AS used, coalesce(turn, 0) AS turn
FROM (SELECT owner, min(number) AS number FROM job WHERE state = 'queued' GROUP BY owner) AS oldest
JOIN job AS first ON first.number = oldest.number
LEFT JOIN owner ON owner.name = oldest.owner
LEFT JOIN (SELECT owner, sum(cores) AS cores FROM job WHERE state IN ('starting', 'running')
           GROUP BY owner) AS busy ON busy.owner = oldest.owner
ORDER BY used, turn, first.number LIMIT 1
"""

_NEW = (
    "mark, owner, name, argv, environment, folder, stdout, stderr, output_limit_bytes,"
    " cores, memory_bytes, wall_seconds, cpu_limit_seconds, state, submitted"
)


def create(folder: str, settings: dict[str, float], helper: Sequence[str] = ()) -> None:
    """Make the spool of a folder where it is absent, and keep the settings in it.

    ``helper`` is the command of the account helper; without one jobs run as this process does.

    Raises:
        OSError: The folder cannot be written.
        sqlite3.Error: The file there cannot be used.
    """
    if not os.path.exists(_path(folder)):
        # Never opened but by SQLite once it is in use: closing it would let go of all the locks
        # that this process has on it, those of other connections too (fcntl(2)).
        creating = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(_path(folder), creating, 0o600))
    spool = Spool(folder)
    try:
        spool.prepare(settings, helper)
    finally:
        spool.close()


def _path(folder: str) -> str:
    return os.path.join(folder, "spool.sqlite")


class Spool:
    """One connection to a spool; for one thread."""

    def __init__(self, folder: str) -> None:
        """Open the spool of a folder, which ``create`` has made.

        Raises:
            OSError: There is none.
            sqlite3.Error: It cannot be opened.
        """
        self.folder = folder
        self.path = _path(folder)
        os.stat(self.path)
        self._connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # A job recorded as running must be so after a power cut, or it would run twice.
        self._connection.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def prepare(self, settings: dict[str, float], helper: Sequence[str]) -> None:
        """Make the tables where they are absent, and keep the settings for the supervisors."""
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        with self._writing():
            self._connection.execute("DELETE FROM setting")
            self._connection.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
            self._connection.execute("DELETE FROM account_helper")
            self._connection.executemany(
                "INSERT INTO account_helper VALUES (?, ?)", enumerate(helper)
            )

    def setting(self, name: str) -> float:
        """A setting that ``prepare`` was given."""
        row = self._one("SELECT value FROM setting WHERE name = ?", name)
        return float(row["value"])

    def helper(self) -> list[str]:
        """The command of the account helper; empty if jobs have no accounts of their own."""
        rows = self._connection.execute("SELECT value FROM account_helper ORDER BY word")
        return [str(row["value"]) for row in rows]

    # Submitting

    def add(self, rows: Sequence[Sequence[object]], families: Iterable[tuple[str, str]]) -> None:
        """Add jobs, columns in the order of the table's definition; known marks are left alone.

        ``families`` are those of the jobs that have one, by mark.
        """
        places = ", ".join("?" * len(_NEW.split(",")))
        statement = f"INSERT INTO job ({_NEW}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608  # no outside text
        with self._writing():
            self._connection.executemany(statement, rows)
            self._connection.executemany(
                "INSERT INTO family VALUES (?, ?) ON CONFLICT DO NOTHING", families
            )

    def family(self, mark: str) -> str:
        """Of which family's accounts a job gets one; "" if it did not say."""
        row = self._maybe("SELECT name FROM family WHERE mark = ?", mark)
        return "" if row is None else str(row["name"])

    def unfinished(self) -> int:
        """How many jobs have not ended."""
        row = self._one("SELECT count(*) AS jobs FROM job WHERE state <> 'ended'")
        return int(row["jobs"])

    def known(self, marks: Iterable[str]) -> set[str]:
        """Those of the marks that are here."""
        return {row["mark"] for row in self.jobs(marks, "mark")}

    def jobs(self, marks: Iterable[str], columns: str) -> list[sqlite3.Row]:
        """Some columns of the jobs with these marks, in one statement."""
        quoted = ",".join(f'"{mark}"' for mark in marks if mark.isalnum())
        return self._connection.execute(
            f"SELECT {columns} FROM job WHERE mark IN (SELECT value FROM json_each(?))",  # noqa: S608  # columns are ours
            (f"[{quoted}]",),
        ).fetchall()

    # What users ask for

    def state(self, mark: str) -> str | None:
        """The state of a job; None if it is not here."""
        row = self._maybe("SELECT state FROM job WHERE mark = ?", mark)
        return None if row is None else str(row["state"])

    def move(self, mark: str, before: str, after: str) -> bool:
        """Change a state; False when the job is not in the state ``before``."""
        changed = self._change(
            "UPDATE job SET state = ? WHERE mark = ? AND state = ?", after, mark, before
        )
        return changed == 1

    def cancel(self, mark: str) -> bool:
        """End a job that waits, ask the supervisor of one that runs; False if it is not here."""
        with self._writing():
            self._connection.execute(
                "UPDATE job SET state = 'ended', reason = 'cancelled', ended = ?"
                " WHERE mark = ? AND state IN ('queued', 'held')",
                (time.time(), mark),
            )
            changed = self._connection.execute(
                "UPDATE job SET cancelled = 1 WHERE mark = ?", (mark,)
            )
            return changed.rowcount == 1

    def is_cancelled(self, mark: str) -> bool:
        """Whether somebody asked for the end of this job."""
        row = self._maybe("SELECT cancelled FROM job WHERE mark = ?", mark)
        return row is None or bool(row["cancelled"])

    def forget(self, mark: str) -> bool:
        """Delete a job that has ended; False if there is one that has not."""
        with self._writing():
            self._connection.execute("DELETE FROM job WHERE mark = ? AND state = 'ended'", (mark,))
            if self.state(mark) is not None:
                return False
            self._connection.execute("DELETE FROM family WHERE mark = ?", (mark,))
            return True

    # Scheduling, all under the lock of the schedule

    def cores_used(self) -> int:
        """How many cores the running jobs have."""
        row = self._one(
            "SELECT coalesce(sum(cores), 0) AS used FROM job WHERE state IN ('starting', 'running')"
        )
        return int(row["used"])

    def unwatched(self) -> list[sqlite3.Row]:
        """The jobs that must have a supervisor."""
        return self._connection.execute(
            "SELECT mark, state, boot, session, session_start, cancelled, attempts FROM job"
            " WHERE state IN ('starting', 'running')"
        ).fetchall()

    def take(self, slots: int) -> str | None:
        """Take the next job from the queue: it is "starting" now.

        The owner with the fewest cores in use comes first; among equals the one who was served
        longest ago, and of his jobs the oldest. A job that needs more cores than are free keeps
        its turn until they are, so that small jobs cannot pass it for ever.

        Returns:
            Its mark; None when the queue is empty or no core is free.
        """
        with self._writing():
            free = slots - self.cores_used()
            if free < 1:
                return None
            row = self._maybe(_NEXT)
            if row is None or row["cores"] > free:
                return None
            taken = self._one(
                "UPDATE job SET state = 'starting', attempts = attempts + 1 WHERE number = ?"
                " RETURNING mark, owner",
                row["number"],
            )
            self._connection.execute(
                "INSERT INTO owner SELECT ?, coalesce(max(turn), 0) + 1 FROM owner WHERE true"
                " ON CONFLICT (name) DO UPDATE SET turn = excluded.turn",
                (taken["owner"],),
            )
            return str(taken["mark"])

    def give_back(self, mark: str, reason: str = "") -> None:
        """Put a job back that ``take`` took and that cannot start now, for a reason users see."""
        self._change(
            "UPDATE job SET state = 'queued', attempts = attempts - 1, reason = ?"
            " WHERE mark = ? AND state = 'starting'",
            reason,
            mark,
        )

    def begin(self, mark: str, *, boot: str) -> sqlite3.Row | None:
        """Record, before its program is started, that a job runs under this process.

        Returns:
            The job; None when it was cancelled meanwhile (it has ended now) or is not "starting".
        """
        with self._writing():
            self._connection.execute(
                "UPDATE job SET state = 'ended', reason = 'cancelled', ended = ?"
                " WHERE mark = ? AND state = 'starting' AND cancelled",
                (time.time(), mark),
            )
            return self._maybe(
                "UPDATE job SET state = 'running', boot = ?, started = ?, reason = ''"
                " WHERE mark = ? AND state = 'starting' RETURNING *",
                boot,
                time.time(),
                mark,
            )

    def started(self, mark: str, *, session: int, start: int) -> None:
        """Record by which session the processes of a job are known, and when its leader began."""
        self._change(
            "UPDATE job SET session = ?, session_start = ? WHERE mark = ?", session, start, mark
        )

    def finish(self, mark: str, outcome: Outcome) -> None:
        """Record how a job ended, unless that is recorded already."""
        self._change(
            "UPDATE job SET state = 'ended', ended = ?, reason = ?, exit_code = ?, signal = ?,"
            " cpu_seconds = ?, peak_memory_bytes = ? WHERE mark = ?"
            " AND state IN ('starting', 'running')",
            time.time(),
            outcome.reason,
            outcome.exit_code,
            outcome.signal,
            outcome.cpu_seconds,
            outcome.peak_memory_bytes,
            mark,
        )

    def _writing(self) -> sqlite3.Connection:
        """Begin a transaction; the connection, as a context, ends it."""
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def _change(self, statement: str, *values: object) -> int:
        return self._connection.execute(statement, values).rowcount

    def _maybe(self, statement: str, *values: object) -> sqlite3.Row | None:
        row: Any = self._connection.execute(statement, values).fetchone()
        return row if isinstance(row, sqlite3.Row) else None

    def _one(self, statement: str, *values: object) -> sqlite3.Row:
        row = self._maybe(statement, *values)
        if row is None:
            raise sqlite3.DatabaseError(f"the spool {self.path} has no row for: {statement}")
        return row
