"""The tables keep what must always hold."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.model import JobEvent, JobRow, Submission
from portal.moments import now
from portal.states import State
from servicekit import database
from tests.portal.job_tables import OTHERS


@pytest.fixture
def tables(engine_of):
    return engine_of("portal")


def a_job(**values):
    given = {
        "public_id": "01M7X92ZGHS5D2SFEE7ARRFA96",
        "submission_id": 1,
        "user_name": "u",
        "name": "n",
        "job_type": "t",
        **OTHERS,
        "state": State.STAGING,
        "submitted_at": now(),
    }
    return JobRow(**given | values)


@pytest.fixture
def submission(tables):
    with Session(tables) as transaction, transaction.begin():
        transaction.add(Submission(id=1, user_name="u", key="k", content_hash="", created_at=now()))


def test_migrations_make_the_model(tables):
    command.check(database.alembic_config(tables, "portal"))


@pytest.mark.parametrize(
    "wrong", [{"state": "Perhaps"}, {"wanted": "explode"}, {"progress": 1.5}, {"progress": -0.1}]
)
def test_values_that_mean_nothing_are_refused(tables, submission, wrong):
    with Session(tables) as transaction:
        transaction.add(a_job(**wrong))
        with pytest.raises(IntegrityError):
            transaction.flush()


def test_public_id_and_submission_key_are_unique(tables, submission):
    with Session(tables) as transaction:
        transaction.add(a_job())
        transaction.flush()
        transaction.add(a_job())
        with pytest.raises(IntegrityError):
            transaction.flush()
    with Session(tables) as transaction:
        transaction.add(Submission(user_name="u", key="k", content_hash="", created_at=now()))
        with pytest.raises(IntegrityError):
            transaction.flush()


def test_history_goes_with_its_job(tables, submission):
    with Session(tables) as transaction:
        job = a_job()
        transaction.add(job)
        transaction.flush()
        transaction.add(JobEvent(job_id=job.id, at=now(), state=State.STAGING))
        transaction.flush()
        transaction.delete(job)
        transaction.flush()
        assert transaction.scalars(select(JobEvent)).all() == []


def test_moment_without_a_zone_is_refused(tables, submission):
    with Session(tables) as transaction:
        transaction.add(a_job(submitted_at=now().replace(tzinfo=None)))
        with pytest.raises(Exception, match="no time zone"):
            transaction.flush()
