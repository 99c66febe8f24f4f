"""What only HTCondor does, on a real one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batch.engine import EngineState
from batch.engines.htcondor import HTCondorEngine
from batch.resources import Resources
from ijp.errors import BadRequestError, EngineError, NotFoundError
from tests.batch.making import QUICK
from tests.batch.sites import htcondor

pytestmark = pytest.mark.slow


def ad_of(site, batch_id, *names):
    """Attributes of a job, as texts."""
    native_id = batch_id.partition("/")[0]
    return site.run("condor_q", native_id, "-allusers", "-autoformat:r", *names).split()


def test_what_a_job_may_use_is_asked_for(make_htcondor, make_spec, htcondor_site):
    engine = make_htcondor()
    limits = Resources(
        cores=2, tasks_per_node=4, memory_mib=100, wall_seconds=90, account="neutrons"
    )
    batch_id = engine.submit(replace(make_spec("true"), resources=limits))
    names = ("RequestCpus", "RequestMemory", "AcctGroup")
    assert ad_of(htcondor_site, batch_id, *names) == ["8", "164", '"neutrons"']
    (expression,) = [" ".join(ad_of(htcondor_site, batch_id, "PeriodicRemove"))]
    assert expression.endswith("> 150")


@pytest.mark.parametrize(
    ("resources", "named"),
    [
        ({"features": ("a.b",)}, "no names of ClassAd attributes"),
        ({"queue": "long"}, "queue='long'"),
        ({"nodes": 2}, "nodes=2"),
    ],
)
def test_what_htcondor_cannot_give_is_refused_for_good(make_htcondor, make_spec, resources, named):
    engine = make_htcondor()
    spec = replace(make_spec("true"), resources=Resources(**resources))
    with pytest.raises(BadRequestError, match=named):
        engine.submit(spec)
    assert engine.find([spec.mark]) == {}


def test_job_waits_for_a_machine_that_has_what_it_needs(make_htcondor, make_spec, wait_for):
    engine = make_htcondor()
    picky = engine.submit(replace(make_spec("true"), resources=Resources(features=("Quantum",))))
    plain = engine.submit(make_spec("true"))
    assert wait_for(engine, plain, seconds=60).succeeded
    assert engine.status([picky])[picky].state is EngineState.QUEUED


def test_nothing_of_the_users_is_in_the_description(make_htcondor, make_spec, htcondor_site):
    engine = make_htcondor()
    evil = 'x\nqueue 50\n$(HOME) "\\'
    engine.hold(engine.submit(replace(make_spec("true"), name="before")))
    spec = replace(make_spec("echo", evil, environment={"A": evil}), name=f"na me{evil}")
    batch_id = engine.submit(spec)
    (name,) = ad_of(htcondor_site, batch_id, "JobBatchName")
    assert name == f'"na-mex-queue-50-HOME.{spec.mark}"'
    cluster = batch_id.partition(".")[0]
    listed = htcondor_site.run("condor_history", cluster, "-autoformat", "ProcId")
    listed += htcondor_site.run("condor_q", cluster, "-allusers", "-autoformat", "ProcId")
    assert listed.split() == ["0"]


def test_folder_whose_name_is_of_the_language_is_no_danger(
    make_htcondor, make_spec, wait_for, htcondor_site, tmp_path
):
    settings = {"command_folder": str(htcondor_site.commands), **QUICK}
    settings |= {"environment": htcondor_site.environment, "run_as": htcondor.ACCOUNT}
    settings["python"] = "/usr/bin/python3"
    engine = HTCondorEngine(settings, tmp_path / 'an $(HOME) $ENV(PATH) #engine\'s "folder"')
    batch_ids = engine.submit_many([make_spec("true"), make_spec("false")])
    assert [wait_for(engine, one, seconds=60).exit_code for one in batch_ids] == [0, 1]


def test_history_tells_the_end_of_a_job_that_left_no_record(
    make_htcondor, make_spec, wait_for, htcondor_site
):
    engine = make_htcondor()
    specs = [make_spec("sh", "-c", f"exit {code}") for code in (0, 3)]
    batch_ids = engine.submit_many(specs)
    for one, spec in zip(batch_ids, specs, strict=True):
        wait_for(engine, one, seconds=60)
        (engine._records.run(spec.mark) / "end.json").unlink()
    statuses = [wait_for(engine, one, seconds=60) for one in batch_ids]
    assert [one.exit_code for one in statuses] == [0, 3]
    assert [one.succeeded for one in statuses] == [True, False]


def test_why_htcondor_itself_holds_a_job_is_told(make_htcondor, make_spec, wait_for, tmp_path):
    engine = make_htcondor()
    busy = engine.submit(make_spec("sleep", "1000", cores=2))
    wait_for(engine, busy, EngineState.RUNNING, seconds=60)
    spec = make_spec("true")
    batch_id = engine.submit(spec)
    engine._records.run(spec.mark).rename(tmp_path / "elsewhere")
    engine.cancel(busy)
    status = wait_for(engine, batch_id, EngineState.HELD, seconds=60)
    assert "log" in status.reason
    engine.cancel(batch_id)


def test_root_may_not_submit_and_is_told(make_htcondor, make_spec):
    engine = make_htcondor(run_as="")
    with pytest.raises(EngineError, match="runs no jobs of root"):
        engine.submit(make_spec("true"))


def test_id_that_another_job_has_is_not_taken_for_ours(
    make_htcondor, make_spec, wait_for, tmp_path
):
    engine = make_htcondor()
    spec, other = make_spec("true"), make_spec("sleep", "1000")
    wait_for(engine, engine.submit(spec), seconds=60)
    for name in ("start.json", "end.json"):
        (engine._records.run(spec.mark) / name).unlink()
    taken = f"{engine.submit(other).partition('/')[0]}/{spec.mark}"
    assert engine.status([taken]) == {}
    with pytest.raises(NotFoundError):
        engine.cancel(taken)
