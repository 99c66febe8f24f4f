"""Which jobs start next: compared with a plain reading, and what must hold whatever happens."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, true, update
from sqlalchemy.orm import Session

from portal.fairness import at, next_jobs, that_fit, that_wait
from portal.fairness_choice import Choosing
from portal.limits import Limits, SharedLimits, UserLimits
from portal.model import Base, JobRow
from portal.states import State
from servicekit.database import writing
from tests.portal.job_tables import MOMENT, Job, clear, fill

USERS, TYPES, GROUPS = ("ana", "ben", "eva", "tom"), ("t", "s", "long"), ("staff", "students")
_few = st.none() | st.integers(0, 4)
_priority = st.none() | st.integers(-2, 3)
_shared = st.builds(SharedLimits, running=_few, running_per_user=_few, priority=_priority)
LIMITS = st.builds(
    Limits,
    running=st.none() | st.integers(0, 8),
    running_per_user=_few,
    aging_minutes=st.sampled_from([1, 60]),
    users=st.dictionaries(
        st.sampled_from(USERS), st.builds(UserLimits, running=_few, priority=_priority), max_size=2
    ),
    groups=st.dictionaries(st.sampled_from(GROUPS), _shared, max_size=2),
    job_types=st.dictionaries(st.sampled_from(TYPES), _shared, max_size=2),
)
JOBS = st.lists(
    st.builds(
        Job,
        id=st.just(0),
        user=st.sampled_from(USERS),
        type=st.sampled_from(TYPES),
        precedence=st.integers(-1, 1),
        waited=st.sampled_from([0, 0, 59, 60, 200]),
        runs=st.booleans(),
    ),
    max_size=24,
).map(lambda jobs: [replace(one, id=number) for number, one in enumerate(jobs, start=1)])
MEMBERS = st.sets(st.tuples(st.sampled_from(USERS), st.sampled_from(GROUPS)), max_size=5)


class Reading:
    """The same decisions in plain words, one job after the other."""

    def __init__(self, limits, jobs, members):
        self.limits, self.members = limits, members
        self.running = [one for one in jobs if one.runs]
        self.waiting = [one for one in jobs if not one.runs]

    def groups(self, user):
        return [group for name, group in self.members if name == user]

    def own(self, user):
        return self.limits.for_user("running", user, tuple(self.groups(user)))

    def counters(self, job):
        """What a job counts towards, each with its limit."""
        types = self.limits.job_types.get(job.type, SharedLimits())
        found = [
            (("user", job.user), self.own(job.user)),
            (("own type", job.user, job.type), types.running_per_user),
            (("type", job.type), types.running),
            ("all", self.limits.running),
        ]
        for group in self.groups(job.user):
            most = self.limits.groups.get(group, SharedLimits()).running
            found.append((("group", group), most))
        return found

    def used(self):
        return Counter(key for job in self.running for key, _ in self.counters(job))

    def is_blocked(self, job):
        used = self.used()
        return any(most is not None and used[key] >= most for key, most in self.counters(job))

    def rank(self, job):
        if not self.limits.has_priorities:
            return 0
        user = self.limits.for_user("priority", job.user, tuple(self.groups(job.user)))
        of_type = self.limits.job_types.get(job.type, SharedLimits()).priority or 0
        gained = job.waited // self.limits.aging_minutes
        return min(self.limits.highest_priority, user + of_type + gained)

    def own_order(self, job):
        return (-self.rank(job), -job.precedence, job.id)

    def admitted(self):
        """Those that start together, with the turn of each."""
        used = self.used()
        kept = sorted((one for one in self.waiting if not self.is_blocked(one)), key=self.own_order)
        kept = self._take(kept, used, "own type")
        turns, kept_by_user = {}, Counter()
        for job in kept:
            kept_by_user[job.user] += 1
            turns[job] = used["user", job.user] + kept_by_user[job.user]
        kept = [
            job for job in kept if self.own(job.user) is None or turns[job] <= self.own(job.user)
        ]
        kept.sort(key=lambda job: (-self.rank(job), turns[job], job.id))
        kept = self._take(kept, used, "type")
        kept = self._take(kept, used, "group")
        kept = self._take(kept, used, "all")
        return {job: turns[job] for job in kept}

    def _take(self, jobs, used, kind):
        """Each that is within the limits of a kind, counting those before it, kept or not."""
        seen, kept = Counter(used), []
        for job in jobs:
            ours = [(key, most) for key, most in self.counters(job) if kind in (key, key[0])]
            seen.update(key for key, _ in ours)
            if all(most is None or seen[key] <= most for key, most in ours):
                kept.append(job)
        return kept

    def start(self, ids):
        self.running += [one for one in self.waiting if one.id in ids]
        self.waiting = [one for one in self.waiting if one.id not in ids]

    def exceeded(self):
        """The limits that more jobs count towards than may."""
        limits = {key: most for job in self.running for key, most in self.counters(job)}
        return [
            key
            for key, number in self.used().items()
            if limits[key] is not None and number > limits[key]
        ]


@pytest.fixture(scope="module")
def memory():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def ids_of(engine, statement):
    with Session(engine) as transaction:
        return [getattr(one, "id", one) for one in transaction.scalars(statement, at(MOMENT))]


def check(engine, limits, jobs, members):
    """One situation: the statement decides as the plain reading does, and says why others wait."""
    clear(engine)
    fill(engine, jobs, members)
    reading = Reading(limits, jobs, members)
    expected = reading.admitted()
    assert set(ids_of(engine, that_fit(limits, true()))) == {one.id for one in expected}
    order = [(-reading.rank(job), turn, job.id) for job, turn in expected.items()]
    first = ids_of(engine, next_jobs(limits, true()))
    if limits.govern_starts:
        assert first == [id for _, _, id in sorted(order)]
    with engine.connect() as connection:
        told = dict(connection.execute(that_wait(limits, true()), at(MOMENT)).all())
    assert set(told) == {one.id for one in reading.waiting if reading.is_blocked(one)}
    assert all(reason.startswith("waits: ") for reason in told.values())
    reading.start({one.id for one in expected})
    before = Reading(limits, jobs, members).exceeded()
    assert set(reading.exceeded()) <= set(before)
    assert expected or all(reading.is_blocked(one) for one in reading.waiting)


@settings(max_examples=40)
@given(limits=LIMITS, jobs=JOBS, members=MEMBERS)
def test_statement_decides_as_the_plain_reading_does(memory, limits, jobs, members):
    check(memory, limits, jobs, members)


@pytest.mark.slow
def test_postgresql_decides_so_too(postgresql_engine):
    @settings(max_examples=60)
    @given(limits=LIMITS, jobs=JOBS, members=MEMBERS)
    def compared(limits, jobs, members):
        check(postgresql_engine, limits, jobs, members)

    compared()


@pytest.fixture
def postgresql_engine(postgresql_url):
    engine = create_engine(postgresql_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def start(engine, ids):
    with writing(engine).begin() as connection:
        statement = update(JobRow).where(JobRow.id.in_(ids))
        connection.execute(statement.values(attempted_at=MOMENT, state=State.QUEUED))


def finish(engine, id):
    with writing(engine).begin() as connection:
        statement = update(JobRow).where(JobRow.id == id)
        connection.execute(statement.values(state=State.COMPLETED, ended_at=MOMENT))


@pytest.mark.parametrize("seed", range(3))
def test_days_work_ends_and_no_limit_is_ever_exceeded(memory, seed):
    """Jobs end in any order; whoever waits starts at last."""
    clear(memory)
    chance = random.Random(seed)
    limits = Limits(
        running=9,
        running_per_user=4,
        users={"eva": UserLimits(running=6, priority=2)},
        groups={"students": SharedLimits(running=5, priority=-1, running_per_user=2)},
        job_types={"long": SharedLimits(running=3, running_per_user=1, priority=1)},
    )
    jobs = [
        Job(number, chance.choice(USERS), chance.choice(TYPES), chance.randint(-1, 1))
        for number in range(1, 61)
    ]
    members = {("ana", "students"), ("ben", "students"), ("tom", "staff")}
    fill(memory, jobs, members)
    reading, statement = Reading(limits, jobs, members), next_jobs(limits, true())
    while reading.waiting or reading.running:
        while chosen := ids_of(memory, statement):
            start(memory, chosen)
            reading.start(set(chosen))
            assert reading.exceeded() == []
        assert all(reading.is_blocked(one) for one in reading.waiting)
        assert reading.running, "nothing runs and nothing starts"
        ended = chance.choice(reading.running)
        finish(memory, ended.id)
        reading.running.remove(ended)


def test_users_take_turns_by_what_they_have_running(memory):
    clear(memory)
    limits = Limits(running=6)
    running = [Job(number, "ana", runs=True) for number in (1, 2, 3)]
    waiting = [Job(number, "ana", waited=500) for number in range(10, 30)]
    fill(memory, [*running, *waiting, Job(40, "ben"), Job(41, "ben"), Job(42, "ben")])
    assert ids_of(memory, next_jobs(limits, true())) == [40, 41, 42]


def test_one_users_thousand_do_not_delay_anothers_first(memory):
    clear(memory)
    limits = Limits(running=1)
    fill(memory, [*(Job(number, "ana", waited=900) for number in range(1, 1001)), Job(2000, "ben")])
    first = ids_of(memory, next_jobs(limits, true()))
    start(memory, first)
    assert first == [1]
    finish(memory, 1)
    start(memory, ids_of(memory, next_jobs(limits, true())))
    assert ids_of(memory, next_jobs(limits, true())) == []
    finish(memory, 2)
    clear(memory)
    fill(memory, [Job(1, "ana", runs=True), *(Job(n, "ana") for n in range(2, 50)), Job(90, "ben")])
    assert ids_of(memory, next_jobs(Limits(running=2), true())) == [90]


def test_low_priority_waits_its_time_and_not_for_ever(memory):
    limits = Limits(
        running=1, aging_minutes=30, users={"eva": UserLimits(priority=2), "tom": UserLimits()}
    )
    for waited, winner in ((59, 2), (60, 1)):
        clear(memory)
        fill(memory, [Job(1, "tom", waited=waited), Job(2, "eva")])
        assert ids_of(memory, next_jobs(limits, true())) == [winner]


def test_users_own_order_holds_among_their_jobs(memory):
    clear(memory)
    fill(memory, [Job(1, "ana"), Job(2, "ana", precedence=1), Job(3, "ben"), Job(4, "ana")])
    assert ids_of(memory, next_jobs(Limits(running=3), true())) == [2, 3, 1]


def test_part_of_a_sweep_starts_if_not_all_may(memory):
    clear(memory)
    fill(memory, [*(Job(n, "ana", sweep=1) for n in range(1, 81)), Job(90, "ben", waited=1)])
    first = ids_of(memory, next_jobs(Limits(running_per_user=50), true()))
    assert first == [90, *range(1, 51)]


def test_jobs_that_wait_say_which_limit_keeps_them(memory):
    clear(memory)
    running = [Job(n, "ana", runs=True) for n in (1, 2, 3)]
    waiting = [Job(11, "ana"), Job(12, "ben"), Job(13, "ben", "s"), Job(14, "eva", "s")]
    fill(memory, [*running, *waiting, Job(15, "ben", "s", runs=True)], {("eva", "students")})
    limits = Limits(
        running_per_user=3,
        groups={"students": SharedLimits(running=0)},
        job_types={"s": SharedLimits(running_per_user=1), "t": SharedLimits(running=3)},
    )
    with memory.connect() as connection:
        told = dict(connection.execute(that_wait(limits, true()), at(MOMENT)).all())
    rest = "; the next starts when one ends"
    assert told == {
        11: "waits: 3 of your 3 running jobs" + rest,
        12: "waits: 3 of the 3 running jobs of type t" + rest,
        13: "waits: 1 of your 1 running jobs of type s" + rest,
        14: "waits: 0 of the 0 running jobs of the group students" + rest,
    }


def test_waiting_jobs_are_given_the_reason_and_only_once(engine_of, monkeypatch):
    engine = engine_of("portal")
    fill(engine, [Job(1, "ana", runs=True), Job(2, "ana"), Job(3, "ana")])
    choosing = Choosing(engine, Limits(running_per_user=1))
    assert choosing.next() == []
    with Session(engine) as transaction:
        found = {id: transaction.get(JobRow, id).reason for id in (1, 2, 3)}
    reason = "waits: 1 of your 1 running jobs; the next starts when one ends"
    assert found == {1: "", 2: reason, 3: reason}
    monkeypatch.setattr(Choosing, "_write", lambda *_: pytest.fail("nothing has changed"))
    monkeypatch.setattr(choosing, "_rests_until", 0.0)
    assert choosing.next() == []


def test_two_that_choose_at_once_do_not_take_more_than_there_is(engine_of):
    """Each has jobs of its own, as dispatchers of two engines have; the limit counts all."""
    engine = engine_of("portal")
    fill(engine, [Job(n, "ana") for n in range(1, 21)])
    limits = Limits(running_per_user=3)
    halves = [Choosing(engine, limits, JobRow.id <= 10), Choosing(engine, limits, JobRow.id > 10)]
    barrier, marked = threading.Barrier(2), []

    def start_some(choosing):
        rows = choosing.next()
        assert len(rows) == 3
        barrier.wait()
        with Session(writing(engine)) as transaction, transaction.begin():
            fitting = choosing.fitting(transaction, rows)
            marked.extend(fitting)
            statement = update(JobRow).where(JobRow.id.in_(fitting))
            transaction.execute(statement.values(attempted_at=MOMENT + timedelta(days=1)))

    threads = [threading.Thread(target=start_some, args=(one,)) for one in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(marked) == 3
