"""The bridge to PSI/J, on its local executor and on a real Slurm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batch.engine import EngineState
from batch.engines.psij import PsijEngine
from batch.resources import Resources
from ijp.errors import BadRequestError, EngineError
from tests.batch.making import QUICK
from tests.batch.sites import slurm


@pytest.mark.parametrize("executor", ["", "-x", "local:/etc", "a b", "../x"])
def test_executor_that_is_no_name_is_refused(tmp_path, executor):
    settings = {"command_folder": "/usr/bin", "executor": executor}
    with pytest.raises(BadRequestError, match="executor must be the name of one of PSI/J's"):
        PsijEngine(settings, tmp_path / "engine")


@pytest.mark.slow
def test_unknown_executor_is_an_error(make_psij, make_spec):
    with pytest.raises(EngineError, match="abacus"):
        make_psij(executor="abacus").submit(make_spec("true"))


@pytest.mark.slow
def test_job_is_followed_by_another_process_than_submitted_it(make_psij, make_spec, wait_for):
    spec = make_spec("sh", "-c", "while ! [ -e go ]; do sleep 0.05; done; exit 5")
    batch_id = make_psij().submit(spec)
    other = make_psij()
    wait_for(other, batch_id, EngineState.RUNNING)
    (spec.folder / "go").touch()
    assert wait_for(other, batch_id).exit_code == 5


@pytest.fixture
def make_on_slurm(slurm_site, tmp_path):
    """Makes engines on PSI/J's executor for Slurm."""
    environment = {"HOME": str(tmp_path), **slurm_site.environment}
    settings = {"command_folder": str(slurm.COMMANDS), "environment": environment, **QUICK}
    yield lambda: PsijEngine({**settings, "executor": "slurm"}, tmp_path / "engine")
    slurm_site.empty()


@pytest.mark.slow
def test_jobs_run_on_slurm(make_on_slurm, make_spec, wait_for, slurm_site):
    engine = make_on_slurm()
    limits = Resources(queue="two", wall_seconds=120, memory_mib=100)
    specs = [make_spec("sh", "-c", f"echo {n}; exit {n}") for n in (0, 7)]
    specs = [replace(spec, resources=limits) for spec in specs]
    batch_ids = engine.submit_many(specs)
    assert [wait_for(engine, one, seconds=60).exit_code for one in batch_ids] == [0, 7]
    assert [spec.stdout.read_text() for spec in specs] == ["0\n", "7\n"]


@pytest.mark.slow
def test_job_that_slurm_does_not_know_hides_no_other(make_on_slurm, make_spec, wait_for):
    engine = make_on_slurm()
    spec = replace(make_spec("sleep", "1000"), resources=Resources(queue="two"))
    batch_id = engine.submit(spec)
    wait_for(engine, batch_id, EngineState.RUNNING, seconds=60)
    native_id = batch_id.partition("/")[0]
    assert engine._asked(["999999", native_id]) == {"999999": "GONE", native_id: "ACTIVE"}


@pytest.mark.slow
def test_job_on_slurm_is_cancelled(make_on_slurm, make_spec, wait_for):
    engine = make_on_slurm()
    spec = replace(make_spec("sleep", "1000"), resources=Resources(queue="two"))
    batch_id = engine.submit(spec)
    wait_for(engine, batch_id, EngineState.RUNNING, seconds=60)
    engine.cancel(batch_id)
    assert wait_for(engine, batch_id, seconds=60).reason == "cancelled"
