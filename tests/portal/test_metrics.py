"""What is counted of jobs and of batch systems."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import requests
from prometheus_client import REGISTRY
from sqlalchemy import insert
from sqlalchemy.orm import Session
from ulid import ULID

from batch.engine import JobSpec
from portal import metrics
from portal.changes import Change
from portal.failure import Failure
from portal.following import Following
from portal.lease import Leadership
from portal.model import Base, JobRow, Submission
from portal.moments import now
from portal.states import State
from servicekit import database
from tests.batch.making import up
from tests.batch.sites.slurm import SlurmSite
from tests.portal import slurm_portal
from tests.portal_site import running


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def commands(engine: str) -> dict[str, float]:
    """How often each command of a batch system was called."""
    return {
        one.labels["command"]: one.value
        for family in REGISTRY.collect()
        if family.name == "ijp_engine_command_seconds"
        for one in family.samples
        if one.name.endswith("_count") and one.labels["engine"] == engine
    }


def add_jobs(portal, batch_ids: list[str], users: int, engine: str = "") -> None:
    """Add running jobs of so many users, in turn."""
    with Session(database.writing(portal.services.database)) as transaction, transaction.begin():
        submission = Submission(
            user_name="simple/ana", key=str(ULID()), content_hash="x", created_at=now(), size=1
        )
        transaction.add(submission)
        transaction.flush()
        rows = [
            {
                "public_id": batch_id.rpartition("/")[2],
                "submission_id": submission.id,
                "user_name": f"simple/user{number % users}",
                "name": "a job",
                "job_type": "tool",
                "job_type_version": "v",
                "creates_provenance": False,
                **{name: [] for name in ("program", "arguments", "wants", "raw_arguments")},
                **{name: [] for name in ("dataset_ids", "datafile_ids")},
                "options": {},
                "resources": {},
                "state": State.QUEUED,
                "reason": "",
                "progress_message": "",
                "submitted_at": now(),
                "failure": "",
                "recorded": True,
                "batch_id": batch_id,
                "engine": engine,
            }
            for number, batch_id in enumerate(batch_ids)
        ]
        transaction.execute(insert(JobRow), rows)


@pytest.mark.slow
def test_number_of_calls_in_a_poll_depends_neither_on_jobs_nor_on_users(
    installation_to_copy, tmp_path
):
    """On a real Slurm, with 10 waiting jobs of one user, and then 1,000 more of 100 users."""
    with up(SlurmSite()) as site:
        slurm_portal.install(installation_to_copy, tmp_path / "portal", site)
        with running(tmp_path / "portal", dispatcher=False) as portal:
            made = {}
            for jobs, users in ((10, 1), (1000, 100)):
                add_jobs(portal, submitted(portal, tmp_path, jobs), users)
                before = commands("slurm")
                Following(portal.services).follow()
                after = commands("slurm")
                made[jobs] = {
                    name: after[name] - before.get(name, 0)
                    for name in after
                    if after[name] != before.get(name, 0)
                }
            metrics.JOBS.watch(portal.services.database, "slurm")
            states = [str(one) for one in (State.QUEUED, State.EXECUTING)]
            assert sum(sample("ijp_jobs", engine="slurm", state=one) for one in states) == 1010
            assert made == {10: {"squeue": 1}, 1000: {"squeue": 1}}
            site.empty()


def submitted(portal, folder, count: int) -> list[str]:
    """The batch ids of so many jobs that wait or run."""
    (folder / "work").mkdir(exist_ok=True)
    specs = [
        JobSpec(
            mark=mark,
            owner="ana",
            argv=("/bin/sleep", "1000"),
            environment={},
            folder=folder / "work",
            stdout=folder / "work" / f"{mark}.out",
            stderr=folder / "work" / f"{mark}.err",
        )
        for mark in (str(ULID()) for _ in range(count))
    ]
    answers = portal.services.engine.submit_many(specs)
    assert all(isinstance(one, str) for one in answers), answers[:3]
    return answers


@pytest.mark.slow
def test_portal_tells_of_polls_and_jobs(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    metrics.JOBS.watch(portal.services.database, "local")
    told = requests.get(f"{portal.url}/metrics", timeout=10).text
    lines = dict(line.rsplit(" ", 1) for line in told.splitlines() if not line.startswith("#"))
    assert float(lines['ijp_poll_seconds_count{engine="local"}']) > 0
    assert lines['ijp_jobs{engine="local",state="Executing"}'] == "1.0"
    assert lines['ijp_jobs{engine="local",state="Queued"}'] == "0.0"
    portal.user().cancel(job["id"])
    portal.wait(job)


def test_lease_that_went_to_somebody_else_is_counted(tmp_path):
    tables = database.engine_for(f"sqlite:///{tmp_path}/portal.sqlite", "portal")
    Base.metadata.create_all(tables)
    before = sample("ijp_lost_leases_total", lease="test")
    first, second = (Leadership(tables, "test", timedelta(seconds=0.2)) for _ in range(2))
    assert first.held()
    until = time.monotonic() + 10
    while not second.held():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not first.held()
    assert not first.held()
    assert sample("ijp_lost_leases_total", lease="test") == before + 1
    tables.dispose()


@pytest.mark.slow
def test_jobs_are_counted_once_by_their_engine_and_state(idle):
    """Some name the default engine, and some nothing."""
    for number, engine in enumerate(("", "local", "other")):
        marks = [f"x/{number}{place:025}" for place in range(number + 1)]
        add_jobs(idle, marks, 1, engine)
    metrics.JOBS.watch(idle.services.database, "local")
    (family,) = metrics.JOBS.collect()
    counts = [(one.labels["engine"], one.value) for one in family.samples if one.value]
    assert sorted(counts) == [("local", 3), ("other", 3)]
    states = [one.labels["state"] for one in family.samples if one.labels["engine"] == "local"]
    assert sorted(states) == ["Executing", "Held", "Queued", "Staging", "Unknown"]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"failure_kind": Failure.LOST, "ended_at": now()}, "ijp_lost_jobs_total"),
        ({"state": State.QUEUED}, "ijp_requeued_jobs_total"),
    ],
)
def test_lost_and_requeued_jobs_are_counted(values, name):
    before = sample(name, engine="test")
    rows = [JobRow(id=1, state=State.EXECUTING), JobRow(id=2, state=State.EXECUTING)]
    changes = [Change(1, values), Change(2, {"state": State.EXECUTING})]
    metrics.count_changes("test", rows, changes)
    assert sample(name, engine="test") == before + 1


def test_waiting_jobs_that_go_on_waiting_are_not_requeued():
    before = sample("ijp_requeued_jobs_total", engine="test")
    row = JobRow(id=1, state=State.HELD)
    metrics.count_changes("test", [row], [Change(1, {"state": State.QUEUED})])
    assert sample("ijp_requeued_jobs_total", engine="test") == before
