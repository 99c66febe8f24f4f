"""What sacct tells of jobs that a real Slurm has forgotten."""

from __future__ import annotations

import pytest

from batch.engine import Capability
from batch.engines.slurm import SlurmEngine
from batch.slurm.output import read_shown
from tests.batch.making import on_site, up
from tests.batch.sites import slurm
from tests.batch.sites.accounted_slurm import AccountedSlurmSite

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site():
    with up(AccountedSlurmSite()) as found:
        yield found


@pytest.fixture
def engine(site, tmp_path):
    make = on_site(SlurmEngine, site, slurm.COMMANDS, tmp_path, defaults={"queue": "two"})
    yield make(accounting=True, record_wait_seconds=0.2)
    site.empty()


@pytest.fixture
def forgotten(site, wait_until):
    """Waits until Slurm's controller knows a job no more."""

    def knows(native_id):
        listed = site.run("squeue", "-h", "-r", "-t", "all", "-o", "%i").split()
        return native_id in listed or native_id in read_shown(
            site.run("scontrol", "-o", "show", "job")
        )

    def wait(batch_id):
        native_id = batch_id.partition("/")[0]
        wait_until(lambda: not knows(native_id), seconds=90)

    return wait


def test_ends_are_known_that_only_accounting_has(
    engine, make_spec, wait_for, wait_until, forgotten, site
):
    assert Capability.ACCOUNTING in engine.capabilities
    specs = [make_spec("sh", "-c", text) for text in ("exit 0", "exit 3")]
    specs.append(make_spec("sh", "-c", "echo ready; exec sleep 1000"))
    batch_ids = engine.submit_many(specs)
    killed = batch_ids[2]
    output = specs[2].stdout
    wait_until(lambda: output.exists() and output.read_text())
    site.run("scancel", killed.partition("/")[0])
    for one, spec in zip(batch_ids, specs, strict=True):
        wait_for(engine, one)
        record = engine._records.run(spec.mark) / "end.json"
        wait_until(record.exists)
        record.unlink()
    for one in batch_ids:
        forgotten(one)
    good, bad, ended = (wait_for(engine, one) for one in batch_ids)
    assert (good.exit_code, good.succeeded) == (0, True)
    # Without the runner's record nobody knows whether the program decided that itself.
    assert (bad.exit_code, bad.reason, bad.succeeded) == (3, "the batch system ended it", False)
    assert (ended.exit_code, ended.reason) == (None, "cancelled")
    assert None not in (good.started, good.ended)
    assert good.started <= good.ended
