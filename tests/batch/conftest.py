"""Engines and jobs for the tests of batch systems."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import time
import types
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from batch.engine import BatchEngine, EngineState, JobSpec, JobStatus
from batch.engines.bioqueue import BioQueueEngine
from batch.engines.gridengine import GridEngine
from batch.engines.htcondor import HTCondorEngine
from batch.engines.local import LocalEngine
from batch.engines.lsf import LsfEngine
from batch.engines.openpbs import OpenPbsEngine
from batch.engines.psij import PsijEngine
from batch.engines.slurm import SlurmEngine
from batch.engines.torque import TorqueEngine
from batch.resources import Resources
from ijp.errors import NotFoundError
from tests.batch.making import QUICK, MakeEngine, clusters, on_site, on_stand_in, spooler, up
from tests.batch.sites import gridengine, htcondor, slurm
from tests.batch.sites.gridengine import GridEngineSite
from tests.batch.sites.htcondor import HTCondorSite
from tests.batch.sites.slurm import SlurmSite
from tests.peers.lsf import cluster as lsf
from tests.peers.standin.cluster import StandIn
from tests.peers.torque import cluster as torque

MakeSpec = Callable[..., JobSpec]
MakeCluster = Callable[..., StandIn]
# Other accounts may not reach the one that runs the tests.
PYTHON = "/usr/bin/python3"
TWO_SLOTS = {"name": "node01", "np": 2, "properties": "fast"}


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make_local(spool_folder: Path) -> Iterator[MakeEngine]:
    """Makes local engines on the one spool of the test; its jobs are gone after the test."""
    made: list[BatchEngine] = []

    def make(**settings: Any) -> BatchEngine:
        engine = LocalEngine({"slots": 2, "grace_seconds": 0.5, **settings}, spool_folder)
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()
    _end_supervisors(spool_folder)


def _end_supervisors(spool_folder: Path) -> None:
    """Empty the queue of this spool and end its supervisors, and only these, with their jobs."""
    if (spool_folder / "spool.sqlite").exists():
        with closing(sqlite3.connect(spool_folder / "spool.sqlite")) as spool, spool:
            spool.execute("UPDATE job SET state = 'ended' WHERE state IN ('queued', 'held')")
    end = time.monotonic() + 10
    while pids := _supervisors(spool_folder):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)
        assert time.monotonic() < end, f"supervisors that do not end: {pids}"


def _supervisors(spool_folder: Path) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(spool_folder) in line and line[3].endswith(b"supervise.py"):
                found.append(int(name))
    return found


@pytest.fixture
def supervisors(spool_folder: Path) -> Callable[[], list[int]]:
    """Gives the pids of the running supervisors of this test's spool."""
    return lambda: _supervisors(spool_folder)


@pytest.fixture(scope="session")
def slurm_site() -> Iterator[SlurmSite]:
    """A real Slurm."""
    with up(SlurmSite()) as site:
        yield site


@pytest.fixture(scope="session")
def gridengine_site() -> Iterator[GridEngineSite]:
    """A real Grid Engine."""
    with up(GridEngineSite()) as site:
        yield site


@pytest.fixture
def make_slurm(slurm_site: SlurmSite, tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes Slurm engines with the records of the one test, on two cores unless told otherwise."""
    yield on_site(SlurmEngine, slurm_site, slurm.COMMANDS, tmp_path, defaults={"queue": "two"})
    slurm_site.empty()


@pytest.fixture
def make_gridengine(gridengine_site: GridEngineSite, tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes Grid Engine engines with the records of the one test, whose jobs can be requeued."""
    yield on_site(GridEngine, gridengine_site, gridengine.COMMANDS, tmp_path, requeue=True)
    gridengine_site.empty()


@pytest.fixture(scope="session")
def htcondor_site() -> Iterator[HTCondorSite]:
    """A real HTCondor."""
    with up(HTCondorSite()) as site:
        yield site


@pytest.fixture
def make_htcondor(
    htcondor_site: HTCondorSite, tmp_path: Path, open_to_all: None
) -> Iterator[MakeEngine]:
    """Makes HTCondor engines with the records of the one test; their jobs are not root's."""
    account = {"run_as": htcondor.ACCOUNT, "python": PYTHON}
    yield on_site(HTCondorEngine, htcondor_site, htcondor_site.commands, tmp_path, **account)
    htcondor_site.empty()


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[None]:
    """Lets jobs of other accounts use the test's folder, and all that is made in it."""
    before = os.umask(0)
    tmp_path.chmod(0o777)
    for place in tmp_path.parents:
        if place.stat().st_uid == os.getuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    yield
    os.umask(before)


@pytest.fixture
def make_documented(tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes engines of the class that the documentation shows, on a task-spooler of their own."""
    text = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    module = types.ModuleType("documented")
    exec(text.split("```python\n")[1].split("```")[0], vars(module))
    with spooler(tmp_path) as environment:
        given = {"command_folder": "/usr/bin", "environment": environment, **QUICK}
        yield lambda **settings: module.SpoolerEngine(given | settings, tmp_path / "engine")


@pytest.fixture
def make_bioqueue(tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes engines on a plug-in of BioQueue's form, for a task-spooler of their own."""
    plugin = Path(__file__).parent / "sites" / "bioqueue_plugin.py"
    with spooler(tmp_path) as environment:
        given = {"command_folder": "/usr/bin", "environment": environment, **QUICK}
        given["plugin"] = str(plugin)
        yield lambda **settings: BioQueueEngine(given | settings, tmp_path / "engine")


@pytest.fixture
def make_psij(tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes engines on PSI/J's local executor; what they run is ended with the test."""
    made: list[BatchEngine] = []
    home = {"HOME": str(tmp_path)}

    def make(**settings: Any) -> BatchEngine:
        given = {"command_folder": "/usr/bin", "environment": home, **QUICK}
        made.append(PsijEngine(given | settings, tmp_path / "engine"))
        return made[-1]

    yield make
    for engine in made[:1]:
        for place in (tmp_path / "engine" / "jobs").iterdir():
            for batch_id in engine.find([place.name]).values():
                with suppress(NotFoundError):
                    engine.cancel(batch_id)


@pytest.fixture
def make_torque_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters of the stand-in of Torque."""
    with clusters(torque.Cluster, tmp_path, "torque") as make:
        yield make


@pytest.fixture
def make_torque(make_torque_cluster: MakeCluster, tmp_path: Path) -> MakeEngine:
    """Makes Torque engines on one cluster with two slots, with the records of the one test."""
    make_cluster = partial(make_torque_cluster, nodes=[TWO_SLOTS])
    return on_stand_in(TorqueEngine, make_cluster, tmp_path, memory_resource="")


@pytest.fixture
def make_openpbs(make_torque_cluster: MakeCluster, tmp_path: Path) -> MakeEngine:
    """The same with OpenPBS."""
    make_cluster = partial(make_torque_cluster, nodes=[TWO_SLOTS], dialect="openpbs")
    return on_stand_in(OpenPbsEngine, make_cluster, tmp_path)


@pytest.fixture
def make_lsf_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters of the stand-in of LSF."""
    with clusters(lsf.Cluster, tmp_path, "lsf") as make:
        yield make


@pytest.fixture
def make_lsf(make_lsf_cluster: MakeCluster, tmp_path: Path) -> MakeEngine:
    """Makes LSF engines on one cluster with two slots, with the records of the one test."""
    return on_stand_in(LsfEngine, make_lsf_cluster, tmp_path)


@pytest.fixture(
    params=[
        "local",
        pytest.param("slurm", marks=pytest.mark.slow),
        pytest.param("gridengine", marks=pytest.mark.slow),
        pytest.param("documented", marks=pytest.mark.slow),
        pytest.param("torque", marks=pytest.mark.slow),
        pytest.param("openpbs", marks=pytest.mark.slow),
        pytest.param("htcondor", marks=pytest.mark.slow),
        pytest.param("lsf", marks=pytest.mark.slow),
        pytest.param("bioqueue", marks=pytest.mark.slow),
        pytest.param("psij", marks=pytest.mark.slow),
    ]
)
def make_engine(request: pytest.FixtureRequest) -> MakeEngine:
    """Makes engines of each kind; a new kind joins the conformance suite here."""
    made: MakeEngine = request.getfixturevalue(f"make_{request.param}")
    return made


@pytest.fixture
def make_spec(tmp_path: Path) -> MakeSpec:
    """Makes specs with folders of their own; ``python=`` is a program text instead of argv."""
    numbers = itertools.count(1)

    def make(
        *argv: str,
        python: str = "",
        owner: str = "alice",
        environment: dict[str, str] | None = None,
        limit: int = 1_000_000,
        **limits: int,
    ) -> JobSpec:
        folder = tmp_path / f"job{next(numbers)}"
        folder.mkdir()
        return JobSpec(
            mark=str(ULID()),
            owner=owner,
            argv=(PYTHON, "-I", "-S", "-c", python, *argv) if python else argv,
            environment=environment or {},
            folder=folder,
            stdout=tmp_path / f"{folder.name}.out",
            stderr=tmp_path / f"{folder.name}.err",
            resources=Resources(**limits),
            output_limit_bytes=limit,
        )

    return make


@pytest.fixture
def wait_for() -> Callable[..., JobStatus]:
    """Waits until a job is in a state (ended unless told), or fails with what it is instead."""

    def wait(
        engine: BatchEngine,
        batch_id: str,
        state: EngineState = EngineState.ENDED,
        *,
        seconds: float = 20,
    ) -> JobStatus:
        end = time.monotonic() + seconds
        while (status := engine.status([batch_id])[batch_id]).state is not state:
            assert status.state is not EngineState.ENDED, f"ended: {status}"
            assert time.monotonic() < end, f"not {state} after {seconds} s: {status}"
            engine.wait_for_change(0.2)
        return status

    return wait


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Waits until a claim is true."""

    def wait(claim: Callable[[], object], *, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not claim():
            assert time.monotonic() < end
            time.sleep(0.01)

    return wait
