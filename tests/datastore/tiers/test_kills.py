"""The data service is killed at random points of a mixed load, and nothing is lost.

``IJP_KILLS`` says how often (15 unless set, shared by the two units).
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import exists, func, select

from bench.postgresql import free_port
from datastore.app import sweep_of, tiers_of
from datastore.model import UnsettledFile
from datastore.tiers.model import TierItem, TierLock
from ijp.datastore import DatastoreClient, DatastoreSession, Selection
from ijp.errors import DataNotOnlineError, PortalError
from servicekit import database

KILLS = int(os.environ.get("IJP_KILLS", "15"))

_ARCHIVE = """
[datastore.archive]
unit = "{unit}"
delay_seconds = 0.1
poll_seconds = 0.05
"""


@dataclass
class Ledger:
    """What clients know: what they sent, and what was acknowledged."""

    sent: dict[str, bytes] = field(default_factory=dict)
    stored: dict[int, str] = field(default_factory=dict)
    maybe_deleted: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client(threading.Thread):
    """Does one thing after the other, at random, whatever the answers are."""

    def __init__(self, session: DatastoreSession, site, ledger: Ledger, number: int) -> None:
        super().__init__(daemon=True)
        self.session, self.site, self.ledger = session, site, ledger
        self.random = random.Random(number)
        self.ended = threading.Event()
        self.answered = 0

    def run(self) -> None:
        acts = [self.put] * 6 + [self.read] * 3 + [self.archive, self.restore] * 2 + [self.delete]
        while not self.ended.is_set():
            try:
                self.random.choice(acts)()
                self.answered += 1
            except DataNotOnlineError:
                self.answered += 1
            except (PortalError, OSError):
                self.ended.wait(0.02)

    def put(self) -> None:
        name, dataset_id = secrets.token_hex(8), self.random.choice(self.site.dataset_ids)
        content = self.random.randbytes(self.random.choice((0, 10, 3000, 400_000)))
        with self.ledger.lock:
            self.ledger.sent[name] = content
        stored = self.session.put(
            [content],
            name=name,
            dataset_id=dataset_id,
            datafile_format_id=self.site.datafile_format_id,
        )
        with self.ledger.lock:
            self.ledger.stored[stored.id] = name

    def some(self) -> int | None:
        with self.ledger.lock:
            there = sorted(self.ledger.stored.keys() - self.ledger.maybe_deleted)
        return self.random.choice(there) if there else None

    def read(self) -> None:
        if (id := self.some()) is None:
            return
        with self.session.get_data(Selection(datafile_ids=[id])) as download:
            found = b"".join(download.blocks())
        if found != self.ledger.sent[self.ledger.stored[id]]:
            self.ledger.wrong.append(f"datafile {id} has {len(found)} other bytes")

    def archive(self) -> None:
        self.session.archive(Selection(dataset_ids=[self.random.choice(self.site.dataset_ids)]))

    def restore(self) -> None:
        self.session.restore(Selection(dataset_ids=[self.random.choice(self.site.dataset_ids)]))

    def delete(self) -> None:
        if (id := self.some()) is None:
            return
        with self.ledger.lock:
            self.ledger.maybe_deleted.add(id)
        self.session.delete(Selection(datafile_ids=[id]))
        with self.ledger.lock:
            self.ledger.deleted.add(id)


@contextmanager
def served(site, *names: str, port: int, url: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A service in a group of processes of its own, which is killed at the end."""
    command = [Path(sys.executable).with_name("ijpd"), "serve", "--settings", site.settings_file]
    variables = dict(os.environ)
    if url:
        variables["DATASTORE__CATALOG_URL"] = f"{url}/icat"
    with (site.folder / f"{names[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", *names],
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def wait_for(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.02)
    pytest.fail(f"{address} does not answer")


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
@pytest.mark.parametrize(
    ("unit", "kills"), [("dataset", KILLS - KILLS // 2), ("datafile", KILLS // 2)]
)
def test_nothing_is_lost_when_the_service_is_killed(tmp_path, make_site, unit, kills):
    site = make_site(tmp_path / "site", more=_ARCHIVE.format(unit=unit))
    ledger, chance = Ledger(), random.Random(unit)
    catalog, own = free_port(), free_port()
    with served(site, "catalog", port=catalog):
        url = f"http://127.0.0.1:{catalog}"
        wait_for(f"{url}/icat/version")
        root = site.catalog("root")
        clients = [
            # a session without retries, which would pause longer than the service is away
            Client(
                DatastoreClient(f"http://127.0.0.1:{own}/ids", requests.Session()).session(
                    root.session_id
                ),
                site,
                ledger,
                number,
            )
            for number in range(4)
        ]
        for number in range(kills):
            with served(site, "datastore", port=own, url=url):
                wait_for(f"http://127.0.0.1:{own}/ids/ping")
                if not number:
                    for one in clients:
                        one.start()
                work_for(clients, chance)
        with served(site, "datastore", port=own, url=url):
            wait_for(f"http://127.0.0.1:{own}/ids/ping")
            for one in clients:
                one.ended.set()
            for one in clients:
                one.join()
            wait_until_idle(site)
    check(site, ledger)


def work_for(clients: list[Client], chance: random.Random) -> None:
    """Until clients have had some answers, and then a moment that may be in the midst of any."""
    wanted = sum(one.answered for one in clients) + chance.randint(1, 40)
    until = time.monotonic() + 30
    while sum(one.answered for one in clients) < wanted and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.2))


def wait_until_idle(site) -> None:
    """Until nothing is queued but what waits for the sweep: uploads that were killed."""
    until = time.monotonic() + 120
    waits = (TierItem.wanted == "ARCHIVE") & exists().where(
        UnsettledFile.dataset_id == TierItem.dataset_id
    )
    queued = TierItem.wanted.is_not(None) & ~waits
    busy = select(func.count()).where(queued | TierItem.running.is_not(None))
    engine = database.engine_for(f"sqlite:///{site.folder}/{{service}}.db", "datastore")
    try:
        while True:
            with engine.connect() as connection:
                if not connection.scalar(busy):
                    return
            assert time.monotonic() < until, "the queue does not become empty"
            time.sleep(0.05)
    finally:
        engine.dispose()


def check(site, ledger: Ledger) -> None:
    """Catalog, both levels and the queue agree with each other and with what clients know."""
    assert ledger.wrong == []
    assert len(ledger.stored) > 5
    swept = sweep_of(site.settings_file, site.process.http).run(
        datetime.now(UTC) + timedelta(hours=2)
    )
    assert swept.unclear == []
    tiers = tiers_of(site.settings_file, site.process.http)
    session = site.datastore("root")
    rows = site.catalog("root").search("SELECT df.id, df.name, df.location FROM Datafile df")
    everything = Selection(datafile_ids=[row[0] for row in rows])
    tiers.worker.queue.recover()
    settle(tiers)
    session.restore(everything)
    settle(tiers)
    assert session.status(everything) == "ONLINE"
    found = {row[0] for row in rows}
    assert found >= ledger.stored.keys() - ledger.maybe_deleted
    assert not found & ledger.deleted
    for id, name, _ in rows:
        with session.get_data(Selection(datafile_ids=[id])) as download:
            assert b"".join(download.blocks()) == ledger.sent[name], id
    kept = {str(path.relative_to(site.folder / "data")) for path in site.stored_files()}
    assert kept == {location for _, _, location in rows}
    assert tiers.checker.check_all() == []
    overview = tiers.levels.overview()
    assert (overview.under_way, overview.failures) == ([], [])
    with tiers.worker.queue._engine.connect() as connection:
        tiers.worker.locks.drop_ended()
        assert connection.scalar(select(func.count()).select_from(TierLock)) == 0
        assert connection.scalar(select(func.count()).select_from(UnsettledFile)) == 0


def settle(tiers) -> None:
    """Do all that is queued, what waits for more changes too."""
    until = time.monotonic() + 60
    while tiers.levels.overview().under_way:
        assert time.monotonic() < until
        if not tiers.worker.work():
            time.sleep(0.05)
