"""Databases of former versions are brought to this one without loss."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Engine, text

from portal.model import JobRow, Submission
from portal.moments import now
from servicekit import database

_JOB = """
INSERT INTO job (id, public_id, submission_id, user_name, name, job_type, job_type_version,
    creates_provenance, program, arguments, wants, raw_arguments, options, resources, dataset_ids,
    datafile_ids, state, reason, cancelled, progress_message, submitted_at, failure, recorded)
VALUES (:id, :public_id, :submission_id, 'ana', 'the job', 'work', 'v', false, '[]', '[]', '[]',
    '[]', '{}', '{}', '[1]', '[]', :state, :reason, false, '', :at, '', true)
"""
_JOBS = [
    (1, 1, "Completed", "the program ended well"),
    (2, 1, "Failed", "memory limit of 512 MiB reached"),
    (3, 1, "Failed", "wall time limit of 60 s reached"),
    (4, 2, "Failed", "lost: the batch system does not know it any more"),
    (5, 3, "Failed", "it could not be started: no such queue"),
    (6, 4, "Failed", "the program ended with code 3"),
]


@pytest.fixture
def before(database_url) -> Engine:
    """The tables of the version before, with jobs."""
    engine = database.engine_for(database_url, "portal")
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA portal"))
    command.upgrade(database.alembic_config(engine, "portal"), "0002")
    with database.writing(engine).begin() as connection:
        for id in (1, 2, 3, 4, 5):
            connection.execute(
                text("INSERT INTO submission VALUES (:id, 'ana', :key, 'x', :at)"),
                {"id": id, "key": f"k{id}", "at": now().replace(tzinfo=None)},
            )
        for id, submission_id, state, reason in _JOBS:
            values = {"id": id, "submission_id": submission_id, "state": state, "reason": reason}
            values |= {"public_id": f"{id:026}", "at": now().replace(tzinfo=None)}
            connection.execute(text(_JOB), values)
            connection.execute(
                text("INSERT INTO job_event (job_id, at, state, text) VALUES (:id, :at, 'x', 'x')"),
                {"id": id, "at": now().replace(tzinfo=None)},
            )
    yield engine
    engine.dispose()


def test_jobs_of_one_submission_become_a_sweep_and_nothing_is_lost(before):
    database.upgrade(before, "portal")
    command.check(database.alembic_config(before, "portal"))
    jobs, submissions = JobRow.__table__, Submission.__table__
    with before.connect() as connection:
        query = jobs.select().order_by(jobs.c.id)
        found = [
            (one.id, one.sweep_id, one.attempt, one.failure_kind)
            for one in connection.execute(query)
        ]
        sizes = [
            (one.size, one.name, one.job_type)
            for one in connection.execute(submissions.select().order_by(submissions.c.id))
        ]
        events = connection.scalar(text("SELECT count(*) FROM job_event"))
    assert found == [
        (1, 1, 1, ""),
        (2, 1, 1, "memory"),
        (3, 1, 1, "time"),
        (4, None, 1, "lost"),
        (5, None, 1, "start"),
        (6, None, 1, "program"),
    ]
    assert sizes == [(3, "the job", "work"), *[(1, "the job", "work")] * 3, (0, "", "")]
    assert events == len(_JOBS)


def test_way_back_keeps_the_jobs(before):
    database.upgrade(before, "portal")
    command.downgrade(database.alembic_config(before, "portal"), "0002")
    with before.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM job")) == len(_JOBS)
        assert connection.scalar(text("SELECT count(*) FROM job_event")) == len(_JOBS)
    database.upgrade(before, "portal")
