"""The LSF engine on a stand-in that answers as the manual and its users' records have it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batch.engine import Dependency, EngineState, When
from batch.engines.lsf import LsfEngine
from batch.resources import Resources
from ijp.errors import BadRequestError, EngineError
from tests.batch.making import on_cluster

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(make_lsf_cluster):
    return make_lsf_cluster()


@pytest.fixture
def make_engine_on(tmp_path):
    return on_cluster(LsfEngine, tmp_path)


@pytest.fixture
def engine(cluster, make_engine_on):
    return make_engine_on(cluster)


def asking(spec, **resources):
    return replace(spec, resources=Resources(**resources))


def test_what_a_job_may_use_is_asked_for(cluster, engine, make_spec):
    cluster.configure(scheduling=False)
    engine.submit(
        asking(
            make_spec("true"),
            nodes=2,
            tasks_per_node=2,
            cores=3,
            memory_mib=100,
            wall_seconds=90,
            gpus=1,
            queue="short",
            account="neutrons",
            features=("fast",),
        )
    )
    (job,) = cluster.jobs()
    assert job["resources"] == "select[fast] span[ptile=6] rusage[mem=164MB]"
    assert (job["slots"], job["memory_kb"], job["minutes"]) == (12, 164 * 1024, 3)
    assert (job["queue"], job["project"], job["gpu"]) == ("short", "neutrons", "num=1")


@pytest.mark.parametrize(
    ("resources", "named"),
    [
        ({"queue": "nosuch"}, "nosuch: No such queue"),
        ({"account": "nosuch"}, "nosuch: No such project"),
        ({"features": ("nosuch",)}, "Bad resource requirement"),
        ({"features": ("a.b",)}, "no names of resources"),
        ({"virtual_memory_mib": 5}, "virtual_memory_mib=5"),
    ],
)
def test_what_lsf_cannot_give_is_refused_for_good(engine, make_spec, resources, named):
    spec = asking(make_spec("true"), **resources)
    with pytest.raises(BadRequestError, match=named):
        engine.submit(spec)
    assert engine.find([spec.mark]) == {}


def test_nothing_of_the_users_is_in_what_the_shell_on_the_node_runs(cluster, engine, make_spec):
    cluster.configure(scheduling=False)
    evil = "$(touch /tmp/x); `id` '\"\n#BSUB -q short"
    spec = make_spec("echo", evil, environment={"A": evil})
    engine.submit(replace(spec, name=f"na me{evil}"))
    (job,) = cluster.jobs()
    assert "touch" not in job["command"]
    assert job["name"] == f"na-me-touch-tmp-x-id-BSUB--q-short.{spec.mark}"


def test_folder_with_blanks_and_dollars_is_no_danger(cluster, make_spec, wait_for, tmp_path):
    settings = {"command_folder": str(cluster.commands), "grace_seconds": 0.5}
    engine = LsfEngine(settings, tmp_path / "an engine's $(touch x) folder")
    assert wait_for(engine, engine.submit(make_spec("true"))).succeeded


def test_text_is_asked_for_where_lsf_has_no_json(cluster, make_engine_on, make_spec, wait_for):
    engine = make_engine_on(cluster, json=False)
    assert engine.find(["0" * 26]) == {}
    good, bad = engine.submit_many([make_spec("true"), make_spec("false")])
    assert (wait_for(engine, good).exit_code, wait_for(engine, bad).exit_code) == (0, 1)


def are_forgotten(cluster):
    return all(job.get("_forgotten") for job in cluster.jobs())


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3)])
def test_history_tells_the_end_of_a_job_that_left_no_record(
    cluster, engine, make_spec, wait_for, wait_until, script, code
):
    cluster.configure(clean_period=0)
    spec = make_spec("sh", "-c", script)
    batch_id = engine.submit(spec)
    wait_until(lambda: are_forgotten(cluster))
    (engine._records.run(spec.mark) / "end.json").unlink()
    status = wait_for(engine, batch_id)
    assert (status.exit_code, status.succeeded) == (code, code == 0)


def test_job_that_lsf_has_forgotten_without_a_record_is_absent(
    cluster, engine, make_spec, wait_until
):
    """Absence is not success."""
    cluster.configure(clean_period=0, history=False)
    spec = make_spec("true")
    batch_id = engine.submit(spec)
    wait_until(lambda: are_forgotten(cluster))
    (engine._records.run(spec.mark) / "end.json").unlink()
    wait_until(lambda: engine.status([batch_id]) == {})


def test_job_whose_condition_can_never_be_ends_unrun(engine, make_spec, wait_for):
    first = engine.submit(make_spec("sh", "-c", "sleep 0.5; exit 1"))
    after = (Dependency(batch_id=first),)
    status = wait_for(engine, engine.submit(replace(make_spec("true"), after=after)))
    assert status.reason == "cancelled: what it waits for can never be"
    assert status.started is None


def test_job_runs_after_the_failure_it_waits_for(engine, make_spec, wait_for):
    first = engine.submit(make_spec("sh", "-c", "sleep 0.5; exit 1"))
    after = (Dependency(batch_id=first, when=When.FAILED),)
    second = engine.submit(replace(make_spec("true"), after=after))
    assert wait_for(engine, second).succeeded


def test_submission_whose_answer_is_lost_is_found_and_not_repeated(cluster, engine, make_spec):
    cluster.fail(bsub={"kind": "lost", "times": 2})
    specs = [replace(make_spec("true"), name="alone"), make_spec("true"), make_spec("true")]
    assert all(isinstance(one, EngineError) for one in engine.submit_many(specs))
    found = engine.find([one.mark for one in specs])
    assert engine.submit_many(specs) == [found[one.mark] for one in specs]
    assert len(cluster.jobs()) == 3


def test_lsf_that_is_down_is_an_error_and_nothing_is_lost(cluster, engine, make_spec, wait_for):
    batch_id = engine.submit(make_spec("true"))
    cluster.configure(mbatchd_down=True)
    later = make_spec("true")
    for ask in (
        lambda: engine.submit(later),
        lambda: engine.status([batch_id]),
        lambda: engine.cancel(batch_id),
        engine.nodes,
    ):
        with pytest.raises(EngineError, match="LSF is down"):
            ask()
    cluster.configure(mbatchd_down=False)
    assert wait_for(engine, batch_id).succeeded
    assert wait_for(engine, engine.submit(later)).succeeded


@pytest.mark.parametrize("kind", ["half", "garbage"])
def test_answer_that_cannot_be_read_is_an_error(cluster, engine, make_spec, kind):
    """Jobs that are missing in it are not gone."""
    batch_id = engine.submit(make_spec("sleep", "1000"))
    cluster.fail(bjobs={"kind": kind})
    with pytest.raises(EngineError, match="cannot read what bjobs printed"):
        engine.status([batch_id])


def test_number_that_a_new_cluster_gives_again_is_not_our_job(cluster, make_engine_on, make_spec):
    cluster.configure(scheduling=False)
    engine = make_engine_on(cluster)
    batch_id = engine.submit(make_spec("true"))
    cluster.clear()
    other = make_engine_on(cluster, name="another")
    foreign = other.submit(make_spec("true"))
    assert foreign.partition("/")[0] == batch_id.partition("/")[0]
    assert engine.status([batch_id]) == {}
    assert other.status([foreign])[foreign].state is EngineState.QUEUED


def test_job_that_an_operator_killed_is_told_from_one_that_failed(
    cluster, engine, make_spec, wait_for
):
    batch_id = engine.submit(make_spec("sleep", "1000"))
    wait_for(engine, batch_id, EngineState.RUNNING)
    assert cluster.run("bkill", batch_id.partition("/")[0]).returncode == 0
    assert wait_for(engine, batch_id).reason == "cancelled"
