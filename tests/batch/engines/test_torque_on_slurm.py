"""The torque engine over the commands that a real Slurm has under Torque's names."""

from __future__ import annotations

import pytest

from batch.engine import EngineState
from batch.engines.torque import TorqueEngine
from tests.batch.making import QUICK
from tests.peers.slurm_torque import packages

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(slurm_site, tmp_path):
    packages.link_commands(tmp_path / "commands")
    settings = {
        "command_folder": str(tmp_path / "commands"),
        "environment": {**slurm_site.environment, **packages.ENVIRONMENT},
        "slurm_commands": True,
    }
    yield TorqueEngine({**QUICK, **settings}, tmp_path / "engine")
    slurm_site.empty()


def test_jobs_are_submitted_once_followed_and_cancelled(engine, make_spec, wait_for):
    spec = make_spec("sh", "-c", "echo said; exit 3", wall_seconds=60, memory_mib=100)
    assert engine.find([spec.mark]) == {}
    failing = engine.submit(spec)
    assert engine.submit(spec) == failing
    assert engine.find([spec.mark]) == {spec.mark: failing}
    long = engine.submit(make_spec("sleep", "1000", queue="two"))
    running = wait_for(engine, long, EngineState.RUNNING)
    assert running.node == "n1"
    status = wait_for(engine, failing)
    assert (status.exit_code, status.reason, status.node) == (3, "", "n1")
    assert spec.stdout.read_text() == "said\n"
    engine.cancel(long)
    status = wait_for(engine, long)
    assert (status.state, status.reason) == (EngineState.ENDED, "cancelled")
