"""The demonstration, on a real Slurm instead of the portal's own processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.sites import slurm
from tests.batch.sites.slurm import SlurmSite

IJPD = Path(sys.executable).with_name("ijpd")

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


@pytest.fixture(scope="module")
def slurm_site():
    site = SlurmSite()
    try:
        site.start()
        yield site
    finally:
        site.stop()


def test_scientists_day_runs_on_slurm_by_one_option(slurm_site, tmp_path):
    """From pictures to derived datasets and their provenance; every job is one of Slurm's."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    done = subprocess.run(
        [
            *(IJPD, "demo", "--folder", tmp_path / "demo", "--bind", f"127.0.0.1:{port}"),
            *("--engine", "slurm"),
            *("--engine-setting", f"command_folder={slurm.COMMANDS}"),
            *("--engine-setting", f"environment.SLURM_CONF={slurm_site.configuration}"),
            *("--engine-setting", "defaults.queue=batch"),
        ],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "DEMO_ONCE": "1", "PORTAL__POLL_INTERVAL_SECONDS": "0.3"},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "All as it should be" in done.stdout
    listed = slurm_site.run("squeue", "-h", "-r", "-t", "all", "-o", "%T %j %N").splitlines()
    states, names, nodes = zip(*(line.split() for line in listed), strict=True)
    assert set(states) == {"COMPLETED"}
    assert sorted({name.rpartition(".")[0] for name in names}) == ["ingest", "segment"]
    assert set(nodes) <= {"n2", "n3"}
