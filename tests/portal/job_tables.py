"""Portal tables with jobs that nobody submitted, for tests of statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, insert

from portal.model import JobRow, Membership, Submission
from portal.states import State
from servicekit.database import writing

MOMENT = datetime(2026, 3, 10, 12, tzinfo=UTC)
OTHERS = {
    "job_type_version": "v",
    "creates_provenance": False,
    "program": ["p"],
    "arguments": [],
    "wants": [],
    "raw_arguments": [],
    "options": {},
    "resources": {},
    "dataset_ids": [],
    "datafile_ids": [],
}
"""Columns of jobs that have to have something, whatever it is."""


@dataclass(frozen=True)
class Job:
    """A job as limits see it.

    Attributes:
        waited: For how many minutes.
        runs: The engine has it, or may have got it.
    """

    id: int
    user: str
    type: str = "t"
    precedence: int = 0
    waited: int = 0
    runs: bool = False
    sweep: int = 0

    @property
    def submission(self) -> int:
        """A sweep's jobs share one."""
        return self.sweep or 100_000 + self.id


def clear(engine: Engine) -> None:
    """Leave nothing."""
    with writing(engine).begin() as connection:
        for table in (JobRow, Submission, Membership):
            connection.execute(delete(table))


def fill(engine: Engine, jobs: Iterable[Job], members: Iterable[tuple[str, str]] = ()) -> None:
    """Store jobs, and who (first) is in which group (second)."""
    listed = list(jobs)
    groups = [{"user_name": user, "group_name": group} for user, group in members]
    sizes: dict[int, int] = {}
    for one in listed:
        sizes[one.submission] = sizes.get(one.submission, 0) + 1
    owners = {one.submission: one.user for one in listed}
    submissions = [
        {
            "id": id,
            "user_name": owners[id],
            "key": str(id),
            "content_hash": "",
            "created_at": MOMENT,
            "size": size,
        }
        for id, size in sizes.items()
    ]
    with writing(engine).begin() as connection:
        for table, rows in (
            (Submission, submissions),
            (JobRow, [row_of(one) for one in listed]),
            (Membership, groups),
        ):
            if rows:
                connection.execute(insert(table), rows)


def row_of(job: Job) -> dict[str, Any]:
    """The columns of a job."""
    return {
        "id": job.id,
        "public_id": f"{job.id:026}",
        "submission_id": job.submission,
        "user_name": job.user,
        "name": "n",
        "job_type": job.type,
        **OTHERS,
        "state": State.EXECUTING if job.runs and job.id % 2 else State.STAGING,
        "submitted_at": MOMENT - timedelta(minutes=job.waited),
        "attempted_at": MOMENT if job.runs else None,
        # what runs and is Staging still may be at the engine: it is not due again just yet
        "next_try_at": MOMENT + timedelta(hours=1) if job.runs else None,
        "precedence": job.precedence,
    }
