"""Reports of jobs make the engine be looked at, if they are signed, new, and of now."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from batch.job.report import ENDED, HEADER, STARTED, signature
from portal import installation, tokens
from portal.model import JobRow
from portal.moments import now
from portal.states import State
from portal.wakeup import LOOK, bell_for
from servicekit.database import writing
from tests.portal_site import copy, running

TOKEN = "ijpjob_of-the-test"


@pytest.fixture(scope="module")
def portal(installation_to_copy, tmp_path_factory):
    """A portal without a dispatcher that takes reports."""
    folder = tmp_path_factory.mktemp("reports") / "portal"
    copy(installation_to_copy, folder)
    file = folder / installation.SETTINGS_FILE
    file.write_text(file.read_text().replace("[portal]\n", "[portal]\njob_reports = true\n"))
    with running(folder, dispatcher=False) as portal:
        yield portal


@pytest.fixture
def job(portal):
    """A job that was given to the batch system."""
    (made,) = portal.user().submit("tool", arguments=["once", "/dev/null"])
    change(portal, made, state=State.QUEUED, token_hash=tokens.hash_of(TOKEN))
    yield made
    change(portal, made, token_hash=None)


@pytest.fixture
def look(portal):
    """What is set when the engines are to be looked at."""
    return bell_for(portal.services.settings.database_url).event(LOOK)


def change(portal, job, **values):
    with Session(writing(portal.services.database)) as transaction, transaction.begin():
        transaction.execute(update(JobRow).where(JobRow.id == job["id"]).values(**values))


def tell(portal, job, kind=STARTED, *, at=None, token=TOKEN, signed=None, **more):
    at = int(time.time() * 1000) if at is None else at
    id = job["publicId"]
    signed = signature(tokens.hash_of(token), id, kind, at) if signed is None else signed
    return portal.app.test_client().post(
        f"/api/v1/jobs/{id}/events",
        json={"event": kind, "at": at, **more},
        headers={HEADER: signed},
    )


def test_signed_report_has_the_engine_looked_at_and_changes_nothing(portal, job, look):
    answer = tell(portal, job)
    assert (answer.status_code, answer.json) == (202, {"isNew": True})
    assert look.is_set()
    assert portal.user().job(job["id"])["state"] == "Queued"


def test_report_that_is_sent_again_after_it_was_seen_is_not_heeded(portal, job, look):
    at = int(time.time() * 1000)
    change(portal, job, state=State.EXECUTING)
    assert tell(portal, job, at=at).json == {"isNew": False}
    assert not look.is_set()
    assert tell(portal, job, ENDED).json == {"isNew": True}
    look.clear()
    change(portal, job, ended_at=now())
    assert tell(portal, job, ENDED).json == {"isNew": False}
    assert not look.is_set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "ijpjob_of-another"},
        {"signed": ""},
        {"signed": "00" * 32},
        {"signed": "käse"},
        {"at": int((time.time() - 3600) * 1000)},
        {"at": int((time.time() + 3600) * 1000)},
        {"at": 0},
    ],
)
def test_report_that_is_not_the_jobs_own_or_old_is_refused(portal, job, look, wrong):
    assert tell(portal, job, **wrong).status_code == 401
    assert not look.is_set()


def test_signature_of_one_event_is_none_of_the_other(portal, job, look):
    at = int(time.time() * 1000)
    signed = signature(tokens.hash_of(TOKEN), job["publicId"], STARTED, at)
    assert tell(portal, job, ENDED, at=at, signed=signed).status_code == 401
    assert not look.is_set()


def test_job_without_a_token_and_one_that_is_not_there_are_not_told_apart(portal, job, look):
    change(portal, job, token_hash=None)
    at = int(time.time() * 1000)
    unsigned = signature("", job["publicId"], STARTED, at)
    absent = {"publicId": "0" * 26, "id": 0}
    answers = [
        tell(portal, job, at=at, signed=unsigned),
        tell(portal, absent, at=at, signed=signature("", "0" * 26, STARTED, at)),
    ]
    assert {(one.status_code, one.json["message"]) for one in answers} == {
        (401, "this report is not signed by a job that is expected to run")
    }
    assert not look.is_set()


@pytest.mark.parametrize(
    "body", [{"kind": "lost"}, {"at": -1}, {"at": 10**20}, {"state": "Completed"}]
)
def test_other_words_are_refused(portal, job, look, body):
    assert tell(portal, job, **body).status_code == 400
    assert not look.is_set()


def test_portal_that_wants_no_reports_takes_none(idle):
    answer = tell(idle, {"publicId": "0" * 26})
    assert answer.status_code == 404
