"""OpenPBS: what is otherwise than with Torque, on a stand-in that has its forms."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from batch.engine import Capability, EngineState
from batch.engines.openpbs import OpenPbsEngine
from ijp.errors import BadRequestError, EngineError
from tests.batch.making import on_cluster

pytestmark = pytest.mark.slow

LONG = ("sleep", "1000")


@pytest.fixture
def cluster(make_torque_cluster):
    return make_torque_cluster(dialect="openpbs", query_other_jobs=True)


@pytest.fixture
def make_engine_on(tmp_path):
    return on_cluster(OpenPbsEngine, tmp_path)


@pytest.fixture
def engine(cluster, make_engine_on):
    return make_engine_on(cluster)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7)])
def test_job_ends_with_its_code(engine, make_spec, wait_for, script, code):
    spec = make_spec("sh", "-c", f"echo out; {script}")
    status = wait_for(engine, engine.submit(spec))
    assert (status.exit_code, status.reason, status.succeeded) == (code, "", code == 0)
    assert spec.stdout.read_text() == "out\n"


def test_history_tells_the_end_of_a_job_that_left_no_record(
    cluster, engine, make_spec, wait_for, wait_until
):
    """A finished job is to be seen with ``qstat -x`` only."""
    assert Capability.ACCOUNTING in engine.capabilities
    spec = make_spec("sh", "-c", "exit 3")
    batch_id = engine.submit(spec)
    wait_until(lambda: cluster.jobs()[0]["job_state"] == "C")
    assert engine.listing() == {}
    (engine._records.run(spec.mark) / "end.json").unlink()
    assert wait_for(engine, batch_id).exit_code == 3


def test_unknown_jobs_do_not_hide_the_others_in_the_history(cluster, engine, make_spec, wait_until):
    batch_id = engine.submit(make_spec("true"))
    wait_until(lambda: cluster.jobs()[0]["job_state"] == "C")
    native_id = batch_id.partition("/")[0]
    assert set(engine.ended(["99.head", native_id, "98.head"])) == {native_id}
    assert engine.ended(["99.head"]) == {}


def test_vanished_job_without_history_and_record_is_absent(
    cluster, make_engine_on, make_spec, wait_until
):
    engine = make_engine_on(cluster, history=False)
    cluster.configure(keep_completed=0)
    spec = make_spec("true")
    batch_id = engine.submit(spec)
    wait_until(lambda: not cluster.jobs())
    (engine._records.run(spec.mark) / "end.json").unlink()
    wait_until(lambda: engine.status([batch_id]) == {})


def test_running_job_is_cancelled(engine, make_spec, wait_for):
    batch_id = engine.submit(make_spec(*LONG))
    wait_for(engine, batch_id, EngineState.RUNNING)
    engine.cancel(batch_id)
    status = wait_for(engine, batch_id)
    assert (status.signal, status.reason) == (signal.SIGTERM, "cancelled")
    engine.cancel(batch_id)


def test_held_job_is_released_or_deleted(cluster, engine, make_spec, wait_for):
    cluster.configure(scheduling=False)
    first, second = (engine.submit(make_spec("true")) for _ in range(2))
    for batch_id in (first, second):
        engine.hold(batch_id)
        assert engine.status([batch_id])[batch_id].state is EngineState.HELD
    engine.cancel(second)
    assert engine.status([second])[second].reason == "cancelled"
    engine.release(first)
    cluster.configure(scheduling=True)
    assert wait_for(engine, first).succeeded


def test_lost_answer_is_found(cluster, engine, make_spec):
    cluster.fail(qsub={"kind": "lost", "times": 1})
    specs = [make_spec("sh", "-c", f"exit {code}") for code in range(3)]
    assert all(isinstance(one, EngineError) for one in engine.submit_many(specs))
    found = engine.find([one.mark for one in specs])
    assert [found[one.mark].partition("/")[0] for one in specs] == [
        "1[1].head",
        "1[2].head",
        "1[3].head",
    ]
    assert engine.submit_many(specs) == [found[one.mark] for one in specs]


def test_arguments_ask_for_what_the_job_may_use(cluster, engine, make_spec):
    cluster.configure(scheduling=False)
    engine.submit(make_spec("true", cores=2, memory_mib=100, wall_seconds=90))
    arguments = cluster.jobs()[0]["submit_args"]
    assert "-l nodes=1:ppn=2 -l walltime=90" in arguments


def test_unknown_queue_is_refused_for_good(engine, make_spec):
    """Its exit code is 170, with which Torque says that a job is in a wrong state."""
    spec = make_spec("true")
    with pytest.raises(BadRequestError, match="Unknown queue"):
        engine.submit(replace(spec, resources=replace(spec.resources, queue="nosuch")))
