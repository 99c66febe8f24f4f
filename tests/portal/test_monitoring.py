"""Looking at the hosts: what is kept of whom, and what is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from batch.engine import Node
from batch.engines.local import LocalEngine
from ijp.errors import EngineError
from portal.engines import Engines
from portal.model import Base, JobRow, NodeRow, Submission
from portal.moments import now
from portal.monitoring import Monitoring, look_at_engine
from portal.monitoring_settings import MonitoringSettings
from portal.nodes import nodes_of, silent_sources
from portal.settings import PortalSettings
from portal.states import State
from servicekit import database

HEAD = '<?xml version="1.0"?><!DOCTYPE GANGLIA_XML []><GANGLIA_XML SOURCE="gmond"><CLUSTER>'


class Cluster(LocalEngine):
    """An engine whose hosts are those that a test says; None is that it does not answer."""

    hosts: list[Node] | None

    def nodes(self) -> list[Node]:
        if self.hosts is None:
            raise EngineError("the controller is away")
        return self.hosts


class Ganglia:
    """A port where whoever connects is told what a test says, as gmond does; "" hangs up."""

    def __init__(self) -> None:
        self.text = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def says(self, *hosts: tuple[str, float, float]) -> None:
        """Tell of hosts: name, age and load."""
        told = "".join(
            f'<HOST NAME="{name}" IP="" TN="{age}"><METRIC NAME="load_one" VAL="{load}"/></HOST>'
            for name, age, load in hosts
        )
        self.text = f"{HEAD}{told}</CLUSTER></GANGLIA_XML>"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(self.text.encode())


@dataclass(frozen=True)
class Batch:
    settings: PortalSettings
    database: Engine
    engines: Engines


@pytest.fixture
def ganglia() -> Iterator[Ganglia]:
    made = Ganglia()
    yield made
    made.close()


@pytest.fixture
def batch(tmp_path: Path, ganglia: Ganglia) -> Iterator[Batch]:
    """Two engines, of which one has the hosts n1 and n2 and the other none yet."""
    texts = ("database_url", "catalog_url", "datastore_url", "public_url", "facility")
    folders = ("base_folder", "facility_folder", "work_folder", "secrets_folder")
    settings = PortalSettings(
        **dict.fromkeys(texts, "x"),
        **dict.fromkeys(folders, tmp_path),
        engine="first",
        monitoring=MonitoringSettings(gmond=(ganglia.address,), timeout_seconds=5),
    )
    engines = {name: Cluster({}, tmp_path / name) for name in ("first", "second")}
    engines["first"].hosts = [node("n1"), node("n2")]
    engines["second"].hosts = []
    tables = database.engine_for(f"sqlite:///{tmp_path}/portal.sqlite", "portal")
    Base.metadata.create_all(tables)
    made = Batch(settings, tables, Engines("first", engines))
    yield made
    made.engines.close()
    tables.dispose()


@pytest.fixture
def look(batch: Batch) -> Callable[[], None]:
    return Monitoring(batch).look


def node(name: str, **told: object) -> Node:
    return replace(Node(name=name, online=True, slots=4, slots_used=1), **told)


def loads(batch: Batch) -> dict[tuple[str, str], float | None]:
    return {(one.engine, one.name): one.load_1 for one in nodes_of(batch)}


def test_hosts_are_those_of_the_batch_systems_with_what_was_measured(batch, ganglia, look):
    batch.engines["second"].hosts = [node("n1.other.org", load=7.0)]
    ganglia.says(("n1.example.org", 3, 0.5), ("n2", 0, 1.5))
    look()
    assert loads(batch) == {
        ("first", "n1"): 0.5,
        ("first", "n2"): 1.5,
        ("second", "n1.other.org"): 7.0,
    }
    assert silent_sources(batch) == []


def test_unknown_hosts_are_ignored(batch, ganglia, look):
    ganglia.says(("n9", 0, 9.0), ("n1", 0, 0.5))
    look()
    assert loads(batch) == {("first", "n1"): 0.5, ("first", "n2"): None}


def test_source_that_is_away_leaves_what_was_known_with_its_age(batch, ganglia, look):
    ganglia.says(("n1", 0, 0.5))
    look()
    first = nodes_of(batch)[0]
    ganglia.text = ""
    look()
    again = nodes_of(batch)[0]
    assert (again.load_1, again.measured_at) == (0.5, first.measured_at)
    (silent,) = silent_sources(batch)
    assert silent.name == f"gmond {ganglia.address}"
    assert "not what gmond sends" in silent.fault
    assert silent.answered_at is not None
    ganglia.says(("n1", 0, 2.5))
    look()
    assert nodes_of(batch)[0].load_1 == 2.5
    assert silent_sources(batch) == []


def test_batch_system_that_is_away_leaves_its_hosts_and_no_others(batch, ganglia, look):
    ganglia.says(("n1", 0, 0.5))
    batch.engines["second"].hosts = [node("m1")]
    look()
    batch.engines["first"].hosts = None
    batch.engines["second"].hosts = []
    ganglia.says(("n1", 0, 1.5))
    look()
    assert loads(batch) == {("first", "n1"): 1.5, ("first", "n2"): None}
    assert [(one.name, one.fault) for one in silent_sources(batch)] == [
        ("batch system first", "the controller is away")
    ]
    with database.writing(batch.database).begin() as connection:
        connection.execute(update(NodeRow).values(told_at=now() - timedelta(hours=1)))
    assert [one.is_old for one in nodes_of(batch)] == [True, True]


def test_host_that_is_gone_is_dropped(batch, ganglia, look):
    ganglia.says(("n1", 0, 0.5))
    look()
    batch.engines["first"].hosts = [node("n2")]
    look()
    assert set(loads(batch)) == {("first", "n2")}


def test_hosts_of_an_engine_that_is_configured_no_more_are_dropped(batch, ganglia, look):
    ganglia.says()
    look()
    others = Engines("second", {"second": batch.engines["second"]})
    Monitoring(replace(batch, engines=others)).look()
    assert nodes_of(batch) == []


def test_older_measures_do_not_replace_newer_ones(batch, ganglia, look):
    ganglia.says(("n1", 0, 0.5))
    look()
    ganglia.says(("n1", 5000, 9.0))
    look()
    assert nodes_of(batch)[0].load_1 == 0.5


def test_silent_host_is_as_old_as_ganglia_says(batch, ganglia, look):
    ganglia.says(("n1", 5000, 9.0))
    look()
    found = nodes_of(batch)[0]
    assert found.is_measured_long_ago
    assert now() - found.measured_at > timedelta(seconds=4999)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256])
def test_host_with_an_impossible_name_spoils_no_other(batch, ganglia, look, name):
    ganglia.says()
    batch.engines["first"].hosts = [node(name), node("n2")]
    look()
    assert set(loads(batch)) == {("first", "n2")}


def test_error_that_nobody_thought_of_stops_nobody(batch, ganglia, look):
    ganglia.says(("n1", 0, 0.5))
    look()
    batch.engines["first"].hosts = 17
    look()
    (silent,) = silent_sources(batch)
    assert "TypeError" in silent.fault
    assert set(loads(batch)) == {("first", "n1"), ("first", "n2")}


def test_what_was_asked_later_is_kept(batch, ganglia, look):
    """As when a host is set offline while somebody waits for an answer of before."""
    ganglia.says()
    engine = batch.engines["first"]

    def asked_before() -> list[Node]:
        del engine.nodes
        engine.hosts = [node("n1", online=False), node("n2")]
        look_at_engine(batch, "first")
        return [node("n1"), node("n2")]

    engine.nodes = asked_before
    look()
    assert [one.online for one in nodes_of(batch)] == [False, True]


def test_jobs_are_counted_on_the_host_of_their_own_batch_system(batch, ganglia, look):
    """Both have a host n1, whose jobs name it as they like."""
    batch.engines["second"].hosts = [node("n1.example.org")]
    add_jobs(
        batch.database,
        *[("", "n1", "ana"), ("", "n1", "ben"), ("", "n7", "ana"), ("", None, "ana")],
        *[("second", "n1", "ana"), ("second", "N1.example.org", "ana")],
    )
    look()
    found = {(one.engine, one.name): (one.jobs, one.own_jobs) for one in nodes_of(batch, "ana")}
    assert found == {
        ("first", "n1"): (2, 1),
        ("first", "n2"): (0, 0),
        ("second", "n1.example.org"): (2, 2),
    }


def add_jobs(tables: Engine, *jobs: tuple[str, str | None, str]) -> None:
    """Add running jobs: engine, node and user."""
    with Session(database.writing(tables)) as transaction, transaction.begin():
        submission = Submission(user_name="x", key="x", content_hash="x", created_at=now())
        transaction.add(submission)
        transaction.flush()
        for number, (engine, host, user) in enumerate(jobs):
            empty: dict = {name: [] for name in ("program", "arguments", "wants", "raw_arguments")}
            empty |= {"dataset_ids": [], "datafile_ids": [], "options": {}, "resources": {}}
            transaction.add(
                JobRow(
                    public_id=f"{number:026}",
                    submission_id=submission.id,
                    user_name=user,
                    name="a job",
                    job_type="tool",
                    job_type_version="v",
                    creates_provenance=False,
                    state=State.EXECUTING,
                    progress_message="",
                    submitted_at=now(),
                    failure="",
                    recorded=True,
                    engine=engine,
                    node=host,
                    **empty,
                )
            )
