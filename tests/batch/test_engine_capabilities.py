"""What engines must do that have a capability; each kind runs through all that it claims."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from batch.engine import Capability, Dependency, EngineState, When
from batch.submitting import Submitting
from ijp.errors import ConflictError, NotFoundError

WAIT_FOR_GO = "while ! [ -e go ]; do sleep 0.05; done"


LACKING = {
    "local": set(Capability)
    - {
        Capability.HOLD,
        Capability.RELEASE,
        Capability.NODES,
        Capability.LIVE_OUTPUT,
        Capability.WAKES,
    },
    "spooler": set(Capability) - {Capability.LIVE_OUTPUT},
    "bioqueue": set(Capability) - {Capability.LIVE_OUTPUT},
    "psij": set(Capability) - {Capability.LIVE_OUTPUT},
    "htcondor": {
        Capability.WAKES,
        Capability.DEPENDENCIES,
        Capability.NODE_OFFLINE,
        Capability.OTHERS,
    },
    "gridengine": {Capability.WAKES, Capability.OTHERS},
    "lsf": {Capability.WAKES, Capability.OTHERS},
    "openpbs": {Capability.WAKES, Capability.OTHERS},
}
"""What engines do not claim, so that a test without anything to do is no surprise."""


def test_engine_claims_all_but_what_it_is_known_to_lack(make_engine):
    engine = make_engine()
    lacking = set(Capability) - engine.capabilities - {Capability.ACCOUNTING}
    expected = LACKING.get(engine.name, {Capability.WAKES})
    assert lacking == expected - {Capability.ACCOUNTING}


@pytest.fixture
def engine_with(make_engine):
    """Makes the engine if it has these capabilities; otherwise there is nothing to test."""

    def make(*capabilities):
        engine = make_engine()
        missing = [one.value for one in capabilities if one not in engine.capabilities]
        if missing:
            engine.close()
            pytest.skip(f"the {engine.name} engine does not claim: {', '.join(missing)}")
        return engine

    return make


def test_held_job_waits_until_it_is_released(engine_with, make_spec, wait_for):
    engine = engine_with(Capability.HOLD, Capability.RELEASE)
    fill = [engine.submit(make_spec("sleep", "1000")) for _ in range(2)]
    batch_id = engine.submit(make_spec("true"))
    engine.hold(batch_id)
    engine.hold(batch_id)
    for one in fill:
        engine.cancel(one)
    for one in fill:
        wait_for(engine, one)
    time.sleep(0.2)
    assert engine.status([batch_id])[batch_id].state is EngineState.HELD
    engine.release(batch_id)
    assert wait_for(engine, batch_id).succeeded
    for change in (engine.hold, engine.release):
        with pytest.raises(ConflictError):
            change(batch_id)


def test_job_is_suspended_and_resumed(engine_with, make_spec, wait_for):
    engine = engine_with(Capability.SUSPEND)
    spec = make_spec("sh", "-c", WAIT_FOR_GO)
    batch_id = engine.submit(spec)
    wait_for(engine, batch_id, EngineState.RUNNING)
    engine.suspend(batch_id)
    wait_for(engine, batch_id, EngineState.SUSPENDED)
    (spec.folder / "go").touch()
    engine.resume(batch_id)
    assert wait_for(engine, batch_id).succeeded


def test_requeued_job_runs_again_with_empty_outputs(engine_with, make_spec, wait_for, wait_until):
    engine = engine_with(Capability.REQUEUE)
    spec = make_spec("sh", "-c", f"echo run | tee -a runs; {WAIT_FOR_GO}")
    batch_id = engine.submit(spec)
    runs = spec.folder / "runs"
    wait_until(lambda: runs.exists() and runs.read_text() == "run\n", seconds=60)
    engine.requeue(batch_id)
    wait_until(lambda: runs.read_text() == "run\nrun\n", seconds=60)
    (spec.folder / "go").touch()
    assert wait_for(engine, batch_id).succeeded
    assert spec.stdout.read_text() == "run\n"


def test_queued_job_is_altered(engine_with, make_spec, wait_for):
    engine = engine_with(Capability.ALTER)
    if "wall_seconds" not in engine.alterable:
        pytest.skip(f"the {engine.name} engine cannot alter wall_seconds")
    busy = engine.submit(make_spec("sleep", "1000", cores=2))
    wait_for(engine, busy, EngineState.RUNNING)
    batch_id = engine.submit(make_spec("sleep", "1000", wall_seconds=600))
    engine.alter(batch_id, {"wall_seconds": 1})
    with pytest.raises(ConflictError):
        engine.alter(busy, {"wall_seconds": 2})
    engine.cancel(busy)
    assert wait_for(engine, batch_id, seconds=60).reason == "wall time limit of 1 s"


def test_specs_that_agree_are_one_array_of_which_each_is_its_own_job(
    engine_with, make_spec, wait_for
):
    engine = engine_with(Capability.ARRAYS)
    specs = [make_spec("sh", "-c", f"echo {n}; exit {n}") for n in range(4)]
    batch_ids = engine.submit_many(specs)
    native = [batch_id.partition("/")[0] for batch_id in batch_ids]
    assert len({engine.array_of(one) for one in native}) == 1
    for number, (batch_id, spec) in enumerate(zip(batch_ids, specs, strict=True)):
        assert wait_for(engine, batch_id).exit_code == number
        assert spec.stdout.read_text() == f"{number}\n"
    assert engine.find([spec.mark for spec in specs]) == {
        spec.mark: batch_id for spec, batch_id in zip(specs, batch_ids, strict=True)
    }


def test_one_element_is_held_and_another_cancelled(engine_with, make_spec, wait_for):
    engine = engine_with(Capability.ARRAYS, Capability.HOLD, Capability.RELEASE)
    busy = engine.submit(make_spec("sleep", "1000", cores=2))
    wait_for(engine, busy, EngineState.RUNNING)
    held, cancelled, runs = engine.submit_many([make_spec("true") for _ in range(3)])
    engine.hold(held)
    engine.cancel(cancelled)
    engine.cancel(busy)
    assert wait_for(engine, runs).succeeded
    statuses = engine.status([held, cancelled])
    assert statuses[held].state is EngineState.HELD
    assert statuses[cancelled].reason == "cancelled"
    engine.release(held)
    assert wait_for(engine, held).succeeded


def test_running_element_is_cancelled_without_the_others(engine_with, make_spec, wait_for):
    engine = engine_with(Capability.ARRAYS)
    first, second = make_spec("sleep", "1000"), make_spec("sh", "-c", WAIT_FOR_GO)
    batch_ids = engine.submit_many([first, second])
    for one in batch_ids:
        wait_for(engine, one, EngineState.RUNNING)
    engine.cancel(batch_ids[0])
    assert wait_for(engine, batch_ids[0]).reason == "cancelled"
    (second.folder / "go").touch()
    assert wait_for(engine, batch_ids[1]).succeeded


def test_job_waits_until_another_has_ended(engine_with, make_spec, wait_for):
    engine = engine_with(Capability.DEPENDENCIES)
    parent = make_spec("sh", "-c", f"{WAIT_FOR_GO}; echo done > done; exit 1")
    first = engine.submit(parent)
    after = (Dependency(batch_id=first, when=When.ENDED),)
    child = replace(make_spec("cat", f"{parent.folder}/done"), after=after)
    second = engine.submit(child)
    assert engine.status([second])[second].state is EngineState.QUEUED
    (parent.folder / "go").touch()
    ended = [wait_for(engine, one).ended for one in (first, second)]
    assert ended == sorted(ended)
    assert child.stdout.read_text() == "done\n"


def test_nodes_are_shown(engine_with, make_spec, wait_for, wait_until):
    engine = engine_with(Capability.NODES)
    batch_id = engine.submit(make_spec("sleep", "1000"))
    wait_for(engine, batch_id, EngineState.RUNNING)
    # What nodes tell of themselves may be late.
    wait_until(lambda: sum(node.slots_used for node in engine.nodes()) == 1, seconds=20)
    nodes = engine.nodes()
    assert all(node.online and node.slots >= node.slots_used for node in nodes)
    engine.cancel(batch_id)


def test_node_is_set_offline_and_online_again(engine_with, wait_until):
    engine = engine_with(Capability.NODE_OFFLINE)
    name = engine.nodes()[0].name
    engine.set_offline(name, "disk is full; ask Jo\nState=IDLE")
    try:
        offline = {node.name: node for node in engine.nodes() if not node.online}
        assert set(offline) == {name}
        assert offline[name].reason in ("disk is full; ask Jo State=IDLE", "")
    finally:
        engine.set_online(name)
    wait_until(lambda: all(node.online for node in engine.nodes()), seconds=60)


@pytest.mark.parametrize("name", ["nosuch", "*", "-x", "ALL", "n[1-3]", "n1 n2", ""])
def test_what_is_no_node_is_not_set_offline(engine_with, name):
    engine = engine_with(Capability.NODE_OFFLINE)
    for change in (lambda: engine.set_offline(name, "x"), lambda: engine.set_online(name)):
        with pytest.raises(NotFoundError):
            change()


def test_submission_that_was_cut_short_is_found_again(make_engine, make_spec, tmp_path):
    """As after a crash between the system's answer and the record of it: jobs and arrays."""
    engine = make_engine()
    if not isinstance(engine, Submitting):
        pytest.skip(f"the {engine.name} engine has no answers that could get lost")
    specs = [replace(make_spec("sleep", "1000"), name="alone")]
    specs += [make_spec("sleep", "1000") for _ in range(2)]
    batch_ids = engine.submit_many(specs)
    for path in (tmp_path / "engine" / "jobs").glob("*/id"):
        path.unlink()
    for path in (tmp_path / "engine" / "jobs").glob("*/run/start.json"):
        path.unlink()
    again = make_engine()
    assert again.submit_many(specs) == batch_ids
    assert again.find(["0" * 26]) == {}
    for one in batch_ids:
        again.cancel(one)
