"""The demonstration on Torque, which a stand-in is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.torque.cluster import Cluster

IJPD = Path(sys.executable).with_name("ijpd")

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path / "torque")
    cluster.start()
    yield cluster
    cluster.stop()


def test_scientists_day_runs_on_torque_although_answers_get_lost(cluster, tmp_path):
    """From pictures to derived datasets and their provenance; every job is one of Torque's."""
    cluster.fail(qsub={"kind": "lost", "times": 2})
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    done = subprocess.run(
        [
            *(IJPD, "demo", "--folder", tmp_path / "demo", "--bind", f"127.0.0.1:{port}"),
            *("--engine", "torque"),
            *("--engine-setting", f"command_folder={cluster.commands}"),
        ],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "DEMO_ONCE": "1", "PORTAL__POLL_INTERVAL_SECONDS": "0.3"},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "All as it should be" in done.stdout
    jobs = [job for job in cluster.jobs() if "job_array_request" not in job]
    assert {(job["job_state"], job["exit_status"]) for job in jobs} == {("C", 0)}
    names = {job["Job_Name"].rpartition(".")[0] for job in jobs}
    assert names == {"ingest", "segment"}
    marks = [
        job["Job_Name"].rpartition(".")[2] for job in cluster.jobs() if "job_array_id" not in job
    ]
    assert len(set(marks)) == len(marks)
    assert cluster.faults() >= 2
