"""Which engine jobs go to: rules, compared with simple readings of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.resources import RESOURCE_NAMES
from portal.routing import MANY, Candidate, Facts, Need, Shape, route, unable
from portal.run_times import RunTime

SHAPES = st.builds(Shape, cores=st.integers(1, 64), memory_mib=st.none() | st.integers(1, 4096))
FACTS = st.builds(
    Facts,
    answers=st.booleans(),
    slots=st.none() | st.integers(0, 128),
    slots_used=st.none() | st.integers(0, 128),
    running=st.integers(0, 50),
    waiting=st.integers(0, 50),
    shapes=st.lists(SHAPES, max_size=2).map(tuple),
)
TIMES = st.builds(
    lambda seconds: RunTime(seconds, seconds / 2, seconds * 2, 7), st.floats(0.1, 1e5)
)
NAMES = ("a", "b", "c")
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        name=st.sampled_from(NAMES),
        gives=st.sampled_from([RESOURCE_NAMES, frozenset({"cores"})]),
        makes_arrays=st.booleans(),
        facts=st.none() | FACTS,
        near=st.sampled_from([0.0, 0.5, 1.0]),
        run_time=st.none() | TIMES,
    ),
    max_size=3,
    unique_by=lambda one: one.name,
)
NEEDS = st.builds(
    Need,
    jobs=st.integers(1, 100),
    cores=st.integers(1, 16),
    memory_mib=st.none() | st.integers(1, 2048),
    asked=st.sampled_from([frozenset(), frozenset({"memory_mib"})]),
    wish=st.sampled_from(["", *NAMES]),
)


def answers(one):
    return one.facts is None or one.facts.answers


@given(NEEDS, CANDIDATES)
def test_engine_is_one_that_can_and_answers_if_there_is_one(need, candidates):
    found = route(need, candidates)
    able = {one.name: one for one in candidates if not unable(need, one)}
    assert bool(found.engine) == bool(able)
    assert bool(found.fault) == (not able)
    assert {one.name for one in found.options} == {one.name for one in candidates}
    if able:
        assert found.engine in able
        assert answers(able[found.engine]) or not any(map(answers, able.values()))


@given(NEEDS, CANDIDATES)
def test_wished_engine_gets_the_jobs_if_it_can_and_answers(need, candidates):
    for one in candidates:
        if answers(one) and not unable(need, one):
            assert route(replace(need, wish=one.name), candidates).engine == one.name


@given(NEEDS, CANDIDATES, st.sampled_from([*NAMES, "other"]))
def test_chosen_engine_gets_the_jobs_or_nobody_does(need, candidates, choice):
    found = route(replace(need, choice=choice), candidates)
    fit = [one for one in candidates if one.name == choice and not unable(need, one)]
    assert found.engine == (choice if fit else "")
    assert bool(found.fault) == (not fit)
    if not fit:
        assert choice in found.fault


@given(NEEDS, CANDIDATES)
def test_engines_that_cannot_run_the_jobs_change_nothing(need, candidates):
    able = [one for one in candidates if not unable(need, one)]
    assert route(need, candidates).engine == route(need, able).engine


@given(NEEDS, CANDIDATES)
def test_engines_that_are_down_change_nothing_while_another_answers(need, candidates):
    up = [one for one in candidates if answers(one) and not unable(need, one)]
    assert not up or route(need, candidates).engine == route(need, up).engine


def is_no_worse(need, one, other):
    """A plain reading of what speaks for an engine: in nothing is it behind the other."""
    mine, its = one.facts or Facts(), other.facts or Facts()
    alike = mine.slots == its.slots and mine.slots_used == its.slots_used
    return (
        alike
        and mine.answers >= its.answers
        and mine.waiting <= its.waiting
        and (one.name == need.wish) >= (other.name == need.wish)
        and one.near >= other.near
        and one.makes_arrays >= other.makes_arrays
        and one.run_time is not None
        and other.run_time is not None
        and one.run_time.seconds <= other.run_time.seconds
    )


@given(NEEDS, CANDIDATES)
def test_engine_that_is_behind_another_in_something_and_ahead_in_nothing_is_not_chosen(
    need, candidates
):
    able = [one for one in candidates if not unable(need, one)]
    best = next((one for one in able if one.name == route(need, candidates).engine), None)
    for one in able:
        assert best is not None
        if is_no_worse(need, one, best) and not is_no_worse(need, best, one):
            # only where the difference is too small to matter: it was named first
            assert able.index(best) < able.index(one)
            assert one.makes_arrays != best.makes_arrays
            assert need.jobs < MANY


@given(NEEDS, CANDIDATES)
def test_more_room_never_costs_an_engine_the_jobs(need, candidates):
    found = route(need, candidates)
    best = next((one for one in candidates if one.name == found.engine), None)
    if best is None or best.facts is None:
        return
    used, waiting = best.facts.slots_used, best.facts.waiting
    facts = replace(best.facts, slots_used=used and max(0, used - 1), waiting=max(0, waiting - 1))
    place = candidates.index(best)
    better = [*candidates[:place], replace(best, facts=facts), *candidates[place + 1 :]]
    assert route(need, better).engine == found.engine


@given(NEEDS, CANDIDATES)
def test_reason_names_all_engines_and_is_not_too_long(need, candidates):
    found = route(need, candidates)
    assert len(found.reason) <= 1000
    if found.engine and len(candidates) > 1:
        for one in candidates:
            assert one.name == found.engine or one.name in found.reason
    if len(candidates) == 1:
        assert found.reason == ""


def engine(name, **facts):
    more = {key: facts.pop(key) for key in ("near", "makes_arrays", "run_time") if key in facts}
    return Candidate(name, RESOURCE_NAMES, facts=Facts(**facts), **more)


FEW_MINUTES = RunTime(170, 100, 300, 9)


def test_reason_tells_room_time_and_what_speaks_against_the_others():
    local = engine("local", slots=16, slots_used=4, run_time=FEW_MINUTES)
    slurm = engine("slurm", slots=8, slots_used=8, waiting=40, run_time=FEW_MINUTES)
    found = route(Need(), [slurm, local])
    assert found.engine == "local"
    assert found.reason == (
        "12 of 16 cores free, about 3 min; slurm: 0 of 8 cores free, 40 jobs wait, about 18 min"
    )


def test_wish_and_why_it_is_not_fulfilled_are_told():
    local, slurm = engine("local", slots=4, slots_used=0), engine("slurm", answers=False)
    found = route(Need(wish="slurm"), [local, slurm])
    assert found.engine == "local"
    assert found.reason == ("not slurm as the job type wishes: does not answer, 4 of 4 cores free")
    assert route(Need(wish="local"), [slurm, local]).reason.startswith("as the job type wishes")
    assert "there is no such engine" in route(Need(wish="x"), [slurm, local]).reason


def test_jobs_go_to_their_data():
    far, near = engine("far", slots=100, slots_used=0), engine("near", waiting=3, near=0.9)
    found = route(Need(), [far, near])
    assert found.engine == "near"
    assert found.reason.startswith("90 % of the data lie near, 3 jobs wait")


def test_many_jobs_go_where_they_are_taken_as_an_array():
    both = [engine("plain", slots=99, slots_used=0), engine("arrays", makes_arrays=True)]
    assert route(Need(jobs=MANY - 1), both).engine == "plain"
    found = route(Need(jobs=MANY), both)
    assert found.engine == "arrays"
    assert found.reason.startswith(f"takes {MANY} jobs at once")


def test_nodes_that_are_too_small_are_named():
    small = engine("small", shapes=(Shape(64, 1024), Shape(4, 900_000)))
    found = route(Need(cores=8, memory_mib=2048), [small])
    assert found.fault == (
        "no batch engine can run this (small: no node has 8 cores and 2 GiB of memory)"
    )
    large = engine("large", shapes=(Shape(8, 2048),))
    assert route(Need(cores=8, memory_mib=2048), [small, large]).engine == "large"


def test_limits_that_an_engine_cannot_keep_are_named():
    plain = Candidate("plain", frozenset({"cores"}))
    found = route(Need(asked=frozenset({"memory_mib", "wall_seconds"})), [plain])
    assert "plain: it cannot keep memory_mib, wall_seconds" in found.fault


@pytest.mark.parametrize(
    ("facts", "jobs", "seconds"),
    [
        ({"slots": 4, "slots_used": 0}, 1, 100),
        ({"slots": 4, "slots_used": 0}, 4, 100),
        ({"slots": 4, "slots_used": 0}, 5, 200),
        ({"slots": 4, "slots_used": 4}, 1, 150),
        ({"slots": 4, "slots_used": 4, "waiting": 8}, 1, 350),
        ({"slots": 0, "slots_used": 0}, 1, None),
        ({}, 1, None),
        ({"answers": False, "slots": 4, "slots_used": 0}, 1, None),
    ],
)
def test_end_is_told_from_what_waits_and_runs(facts, jobs, seconds):
    one = engine("one", run_time=RunTime(100, 90, 110, 9), **facts)
    assert route(Need(jobs=jobs), [one]).options[0].seconds == seconds
