"""Refusals name the limit, how much is used, and when it frees; computing time is counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from ijp.errors import TooLargeError
from portal import limits_refusal, limits_spent
from portal.limits import InvestigationLimits, Limits, Period, SharedLimits, UserLimits
from portal.limits_refusal import Demand, Standing, require
from portal.model import DeletedRun, JobAttempt, JobRow, Membership
from portal.moments import now
from portal.settings import PortalSettings
from portal.states import State
from servicekit.database import writing
from tests.portal.job_tables import Job, fill

PLACE = Path("/nowhere")
SETTINGS = PortalSettings(
    base_folder=PLACE,
    database_url="",
    catalog_url="",
    datastore_url="",
    public_url="",
    facility="TEST",
    facility_folder=PLACE,
    work_folder=PLACE,
    secrets_folder=PLACE,
    engine="local",
)


@pytest.fixture
def tables(engine_of):
    return engine_of("portal")


def change(tables, id, **values):
    with writing(tables).begin() as connection:
        connection.execute(update(JobRow).where(JobRow.id == id).values(**values))


def asked(tables, limits, wanted, *, standing=None, user="ana", **settings):
    """What a submission of so many jobs is told; None if it is accepted."""
    found = replace(SETTINGS, limits=limits, **settings)
    try:
        with Session(writing(tables)) as transaction, transaction.begin():
            require(transaction, found, user, standing or Standing(), wanted)
    except TooLargeError as error:
        return error.message
    return None


def test_queue_of_a_user_is_bounded_and_the_refusal_says_how_much_is_used(tables):
    fill(tables, [Job(2, "ana"), Job(4, "ana"), Job(6, "ben")])
    limits = Limits(waiting_per_user=4)
    assert asked(tables, limits, {Demand("t"): 2}) is None
    told = asked(tables, limits, {Demand("t"): 3})
    assert told == (
        "you have 2 waiting jobs; with these 3 it would be more than the 4 that one user may have; "
        "there is room when one of them has gone on"
    )
    told = asked(tables, limits, {Demand("t"): 5})
    assert told.endswith("the 4 that one user may have: submit 4 at once at most")


def test_refusal_says_when_there_is_room_by_the_time_limits_of_what_runs(tables):
    fill(tables, [Job(1, "ana", runs=True), Job(3, "ana", runs=True), Job(2, "ana")])
    moment = now().replace(microsecond=0)
    for id, minutes in ((1, 90), (3, 30)):
        change(tables, id, started_at=moment, resources={"wallMinutes": minutes})
    limits = Limits(waiting_per_user=2)
    first, second = (moment + timedelta(minutes=m) for m in (30, 90))
    at = "there is room at {:%Y-%m-%d %H:%M} UTC at the latest"
    assert at.format(first) in asked(tables, limits, {Demand("t"): 2})
    limits = Limits(waiting_per_user=3)
    assert asked(tables, limits, {Demand("t"): 2}) is None
    change(tables, 3, resources={})
    assert at.format(second) in asked(tables, limits, {Demand("t"): 3})


def test_limits_of_groups_and_job_types_name_them(tables):
    jobs = [Job(2, "ana", "blur"), Job(4, "ben", "blur"), Job(6, "eva")]
    fill(tables, jobs, {("ben", "students")})
    limits = Limits(
        groups={"students": SharedLimits(waiting=2)},
        job_types={"blur": SharedLimits(waiting=4, waiting_per_user=2)},
    )
    member = Standing(groups=("students", "others"))
    told = asked(tables, limits, {Demand("t"): 2}, standing=member)
    assert told.startswith("there are 2 waiting jobs of the group students; with these 2 ")
    with Session(tables) as transaction:
        assert transaction.scalars(select(Membership.user_name)).all() == ["ben"]
    assert asked(tables, limits, {Demand("t"): 2}, standing=Standing(groups=("others",))) is None
    told = asked(tables, limits, {Demand("blur"): 2, Demand("t"): 1})
    assert told.startswith("you have 1 waiting job of type blur; with these 2 ")
    told = asked(tables, limits, {Demand("blur"): 3}, user="tom")
    assert "of type blur" in told
    assert asked(tables, limits, {Demand("blur"): 1}) is None


def test_users_of_a_group_that_left_it_are_not_counted_any_more(tables):
    limits = Limits(groups={"students": SharedLimits(waiting=1)})
    fill(tables, [Job(2, "ben")], {("ben", "students"), ("ana", "students")})
    assert asked(tables, limits, {Demand("t"): 1}) is not None
    assert asked(tables, limits, {Demand("t"): 1}, standing=Standing(groups=())) is None


def test_own_limit_of_a_user_goes_before_everybodys(tables):
    limits = Limits(waiting_per_user=1, users={"ana": UserLimits(waiting=3)})
    assert asked(tables, limits, {Demand("t"): 3}) is None
    assert asked(tables, limits, {Demand("t"): 3}, user="ben") is not None


def test_running_jobs_do_not_refuse_any(tables):
    fill(tables, [Job(1, "ana", runs=True)])
    assert asked(tables, Limits(running_per_user=1, running=1), {Demand("t"): 100}) is None


def test_unfinished_jobs_are_bounded_as_ever(tables):
    fill(tables, [Job(1, "ana", runs=True), Job(2, "ana")])
    told = asked(tables, Limits(), {Demand("t"): 1}, jobs_per_user=2)
    assert told.startswith("you have 2 unfinished jobs; with these 1 it would be more than the 2 ")


HOUR = timedelta(hours=1)


@pytest.fixture
def worked(tables, monkeypatch):
    """Investigation 7 has used 2 + 3 + 1 core-hours in this period, and may use 4 more."""
    jobs = [Job(1, "ana", runs=True), Job(2, "ana"), Job(3, "ana", runs=True), Job(5, "ana")]
    fill(tables, jobs)
    moment = datetime(2026, 6, 15, 12, tzinfo=UTC)
    monkeypatch.setattr(limits_refusal, "now", lambda: moment)
    start = Period.at(moment, "year").start
    ended = {"state": State.COMPLETED, "investigation_id": 7}
    # of the first four hours two are of the period before
    change(tables, 1, **ended, started_at=start - 2 * HOUR, ended_at=start + 2 * HOUR)
    change(tables, 2, **ended, started_at=start, ended_at=start + HOUR, resources={"cores": 3})
    change(tables, 5, investigation_id=8, state=State.COMPLETED, started_at=start, ended_at=moment)
    running = {"started_at": moment - HOUR, "resources": {"wallMinutes": 300}}
    change(tables, 3, investigation_id=7, state=State.EXECUTING, **running)
    return moment


def test_core_hours_are_of_the_period_and_of_one_investigation(tables, worked):
    with Session(tables) as transaction:
        period = Period.at(worked, "year")
        used = limits_spent.used(transaction, period, worked, [7])
        reserved = limits_spent.reserved(transaction, worked, [7])
    assert used == {7: pytest.approx(6, abs=0.01)}
    assert reserved == {7: pytest.approx(4, abs=0.01)}


def test_deleted_jobs_and_earlier_attempts_count_too(tables, worked):
    start = Period.at(worked, "year").start
    attempt = {
        "job_id": 2,
        "number": 1,
        "mark": "m",
        "state": "Failed",
        "reason": "",
        "failure_kind": "",
        "resources": {"cores": 2},
        "started_at": start,
        "ended_at": start + HOUR,
        "output_ids": [],
    }
    with writing(tables).begin() as connection:
        connection.execute(insert(JobAttempt), [attempt])
    change(tables, 2, attempt=2)
    period = Period.at(worked, "year")
    with Session(writing(tables)) as transaction, transaction.begin():
        before = limits_spent.used(transaction, period, worked, [7])
        row = transaction.get(JobRow, 2)
        limits_spent.keep(transaction, row)
        transaction.delete(row)
    with Session(tables) as transaction:
        assert limits_spent.used(transaction, period, worked, [7]) == before
        assert before == {7: pytest.approx(8, abs=0.01)}
        assert len(transaction.scalars(select(DeletedRun)).all()) == 2


def test_core_hours_used_up_are_told_with_the_end_of_the_period(tables, worked):
    limits = Limits(core_hours_per_investigation=12, period="year")
    standing = Standing(investigations={7: "2026-017", 9: "new"})
    short, long = Demand("t", 7, 1, 60), Demand("t", 7, 2, 60)
    assert asked(tables, limits, {short: 1}, standing=standing) is None
    told = asked(tables, limits, {long: 2}, standing=standing)
    assert told == (
        "2026-017 has used 6.0 of its 12.0 core-hours of this year, and its unfinished jobs may "
        "use 4.0 more; these 2 jobs may use 4.0; the next period begins at 2027-01-01 00:00 UTC"
    )
    own = replace(limits, investigations={"2026-017": InvestigationLimits(14.1)})
    assert asked(tables, own, {long: 2}, standing=standing) is None
    assert asked(tables, limits, {Demand("t", 9, 1, 60): 12}, standing=standing) is None
    assert asked(tables, limits, {Demand("t", None, 64, 6000): 12}, standing=standing) is None


def test_jobs_without_a_time_limit_are_refused_when_nothing_is_left(tables, worked):
    standing, jobs = Standing(investigations={7: None}), {Demand("t", 7): 1}
    assert asked(tables, Limits(core_hours_per_investigation=11), jobs, standing=standing) is None
    told = asked(
        tables, Limits(core_hours_per_investigation=9, period="year"), jobs, standing=standing
    )
    assert told.startswith("investigation 7 has used 6.0 of its 9.0 core-hours of this year")
