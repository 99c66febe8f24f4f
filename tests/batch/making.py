"""Making engines for tests, on what they need to run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from batch.command_engine import CommandEngine
from batch.engine import BatchEngine
from tests.peers.standin.cluster import StandIn

MakeEngine = Callable[..., BatchEngine]
QUICK = {"grace_seconds": 0.5, "record_wait_seconds": 3}


class Site(Protocol):
    """A real batch system for the tests."""

    @property
    def environment(self) -> dict[str, str]:
        """What its commands need."""

    def start(self) -> None:
        """Bring everything up; returns when jobs can run."""

    def stop(self) -> None:
        """End all of it."""

    def empty(self) -> None:
        """End whatever jobs there are."""


AnySite = TypeVar("AnySite", bound=Site)


@contextmanager
def up(site: AnySite) -> Iterator[AnySite]:
    """Have a site, and see that it is gone afterwards."""
    try:
        site.start()
        yield site
    finally:
        site.stop()


def on_site(
    kind: type[CommandEngine], site: Site, commands: Path, folder: Path, **usual: Any
) -> MakeEngine:
    """Makes engines on a real system."""
    given = {"command_folder": str(commands), "environment": site.environment, **QUICK, **usual}
    return lambda **settings: kind(given | settings, folder / "engine")


@contextmanager
def spooler(folder: Path) -> Iterator[dict[str, str]]:
    """A task-spooler with two slots; gives the variables by which it is found."""
    environment = {"TS_SOCKET": str(folder / "socket"), "TS_SLOTS": "2"}
    run = partial(subprocess.run, env={"PATH": "/usr/bin:/bin", **environment}, text=True)
    # The first command starts the server, which is to inherit nothing of the test.
    run(["tsp", "-S", "2"], stdout=subprocess.DEVNULL, check=True)
    yield environment
    # The runners end with their jobs when the server's children are told to stop.
    listed = run(["tsp", "-l"], capture_output=True, check=True).stdout.splitlines()[1:]
    for number, state in (line.split()[:2] for line in listed):
        if state in ("running", "queued"):
            # It fails if the job has ended, or started, meanwhile.
            run(["tsp", "-r" if state == "queued" else "-k", number], capture_output=True)
    run(["tsp", "-K"], check=True)


@contextmanager
def clusters(kind: type[StandIn], folder: Path, name: str) -> Iterator[Callable[..., StandIn]]:
    """Makes and starts stand-ins; all that they run is ended afterwards."""
    made: list[StandIn] = []

    def make(**config: Any) -> StandIn:
        made.append(kind(folder / f"{name}{len(made)}", **config))
        made[-1].start()
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


def on_stand_in(
    kind: type[CommandEngine], make_cluster: Callable[..., StandIn], folder: Path, **usual: Any
) -> MakeEngine:
    """Makes engines on a stand-in, which is made with the first of them."""
    cluster: StandIn | None = None

    def make(**settings: Any) -> BatchEngine:
        nonlocal cluster
        cluster = cluster or make_cluster()
        given = {"command_folder": str(cluster.commands), **QUICK}
        return kind(given | usual | settings, folder / "engine")

    return make


def on_cluster(kind: type[CommandEngine], folder: Path, **usual: Any) -> Callable[..., BatchEngine]:
    """Makes engines on the stand-in that is given first; ``name`` is that of their records."""

    def make(cluster: StandIn, *, name: str = "engine", **settings: Any) -> BatchEngine:
        given = {"command_folder": str(cluster.commands), **QUICK, "record_wait_seconds": 2}
        return kind({**given, **usual, **settings}, folder / name)

    return make
