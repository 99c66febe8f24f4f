"""Changes of many jobs are written together, each with its own values and its own conditions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from portal import changes
from portal.changes import Change
from portal.model import JobEvent, JobRow, Submission
from portal.states import State
from servicekit import database

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def tables(request, tmp_path):
    url = f"sqlite:///{tmp_path}/portal.sqlite"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    engine = database.engine_for(url, "portal")
    database.upgrade(engine, "portal")
    yield engine
    engine.dispose()


@pytest.fixture
def add_jobs(tables):
    """Adds waiting jobs; gives their numbers."""

    def add(number):
        values = {"user_name": "ana", "key": "k", "content_hash": "", "created_at": NOW}
        job = {
            "user_name": "ana",
            "name": "n",
            "job_type": "t",
            "job_type_version": "",
            "creates_provenance": False,
            "state": State.QUEUED,
            "submitted_at": NOW,
            **{name: [] for name in ("program", "arguments", "wants", "raw_arguments")},
            **{name: [] for name in ("dataset_ids", "datafile_ids")},
            "options": {},
            "resources": {},
        }
        with Session(tables) as transaction, transaction.begin():
            submission = transaction.execute(
                insert(Submission).values(**values).returning(Submission.id)
            ).scalar_one()
            rows = [
                {**job, "submission_id": submission, "public_id": f"{n:026}"} for n in range(number)
            ]
            return list(transaction.scalars(insert(JobRow).returning(JobRow.id), rows))

    return add


def rows(tables):
    with Session(tables) as transaction:
        return {row.id: row for row in transaction.scalars(select(JobRow))}


def test_each_job_gets_its_own_values_and_its_line(tables, add_jobs):
    ids = add_jobs(1200)
    made = [
        Change(
            id,
            {
                "state": State.EXECUTING,
                "node": f"n{id}" if id % 2 else None,
                "started_at": NOW.replace(second=id % 60),
                "cpu_seconds": id / 4,
                "exit_code": id % 3 or None,
            },
            "it runs",
            attempt=1,
        )
        for id in ids
    ]
    statements = []
    event.listen(tables, "before_cursor_execute", lambda *args: statements.append(args[2]))
    changes.apply(tables, made)
    assert sum("UPDATE" in one for one in statements) == 3
    found = rows(tables)
    for id in ids:
        row = found[id]
        assert (row.state, row.node) == ("Executing", f"n{id}" if id % 2 else None)
        assert (row.started_at, row.cpu_seconds) == (NOW.replace(second=id % 60), id / 4)
        assert row.exit_code == (id % 3 or None)
    with Session(tables) as transaction:
        lines = transaction.scalars(select(JobEvent)).all()
    assert sorted(one.job_id for one in lines) == sorted(ids)
    assert {(one.state, one.text) for one in lines} == {("Executing", "it runs")}


def test_job_that_is_not_as_the_change_wants_it_is_left_alone(tables, add_jobs):
    ended, other_attempt, other_state, right = add_jobs(4)
    with Session(tables) as transaction, transaction.begin():
        transaction.get_one(JobRow, ended).state = State.COMPLETED
        transaction.get_one(JobRow, other_attempt).attempt = 2
        transaction.get_one(JobRow, other_state).state = State.HELD
    ids = (ended, other_attempt, other_state, right)
    only = (State.QUEUED, State.COMPLETED)
    made = [Change(id, {"node": f"n{id}"}, "told", only, attempt=1) for id in ids]
    changes.apply(tables, made)
    assert [rows(tables)[id].node for id in ids] == [None, None, None, f"n{right}"]
    with Session(tables) as transaction:
        assert [one.job_id for one in transaction.scalars(select(JobEvent))] == [right]


def test_values_that_are_documents_are_written_too(tables, add_jobs):
    first, second = add_jobs(2)
    made = [Change(first, {"resources": {"cores": 2}}), Change(second, {"resources": {"cores": 3}})]
    changes.apply(tables, made)
    assert [rows(tables)[id].resources["cores"] for id in (first, second)] == [2, 3]


def test_change_of_nothing_is_nothing_and_a_line_alone_is_one(tables, add_jobs):
    first, second = add_jobs(2)
    changes.apply(tables, [Change(first, {}), Change(second, {}, "told")])
    with Session(tables) as transaction:
        assert [one.job_id for one in transaction.scalars(select(JobEvent))] == [second]
