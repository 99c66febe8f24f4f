"""The data service is killed at random points of a mixed load, and nothing is lost.

``IJP_KILLS`` says how often in all (4 unless set). On PostgreSQL two processes share the work, of
which one or both are killed.
"""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import exists, func, select

from datastore.app import sweep_of, tiers_of
from datastore.model import UnsettledFile
from datastore.tiers.model import TierItem, TierLock
from ijp.datastore import Selection
from tests.datastore.tiers.killed import Client, Ledger, address, processes, wait_until

KILLS = int(os.environ.get("IJP_KILLS", "4"))

_ARCHIVE = """
[datastore.archive]
unit = "{unit}"
delay_seconds = 0.1
poll_seconds = 0.05
"""
_CASES = [
    ("sqlite", "dataset"),
    ("sqlite", "datafile"),
    ("postgresql", "dataset"),
    ("postgresql", "datafile"),
]


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * KILLS)
@pytest.mark.parametrize(("database", "unit"), _CASES)
def test_nothing_is_lost_when_the_service_is_killed(tmp_path, make_site, request, database, unit):
    url = request.getfixturevalue("postgresql_url") if database == "postgresql" else ""
    more = _ARCHIVE.format(unit=unit)
    site = make_site(tmp_path / "site", database_url=url, more=more)
    ledger, chance = Ledger(), random.Random(f"{database} {unit}")
    kills = max(1, len(range(_CASES.index((database, unit)), KILLS, len(_CASES))))
    began = time.monotonic()
    with processes(site) as running:
        catalog = address("/icat")
        running.start(catalog, "catalog")
        own = [address("/ids") for _ in range(2 if url else 1)]
        clients = [
            Client(own, site.catalog("root").session_id, site, ledger, number)
            for number in range(4)
        ]
        killed = 0
        while killed < kills:
            for one in own:
                running.start(one, "datastore", DATASTORE__CATALOG_URL=catalog)
            if not killed:
                for client in clients:
                    client.start()
            work_for(ledger, chance)
            for one in chance.sample(own, chance.randint(1, min(len(own), kills - killed))):
                running.kill(one)
                killed += 1
        for one in own:
            running.start(one, "datastore", DATASTORE__CATALOG_URL=catalog)
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join()
        tiers = tiers_of(site.settings_file, site.process.http)
        wait_until(lambda: is_idle(tiers), "the queue does not become empty")
    check(site, tiers, ledger)
    answered = ", ".join(f"{count} {name}" for name, count in sorted(ledger.answered.items()))
    print(
        f"{database}, {unit}: {killed} kills, {ledger.answered.total()} operations ({answered}), "
        f"{ledger.acknowledged_bytes} bytes acknowledged in {len(ledger.stored)} files, "
        f"{time.monotonic() - began:.0f} s"
    )


def work_for(ledger: Ledger, chance: random.Random) -> None:
    """Until clients have had some answers, and then a moment that may be in the midst of any."""
    wanted = ledger.answered.total() + chance.randint(1, 40)
    until = time.monotonic() + 30
    while ledger.answered.total() < wanted and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.2))


def is_idle(tiers) -> bool:
    """Nothing is queued but what waits for the sweep: uploads that were killed."""
    waits = (TierItem.wanted == "ARCHIVE") & exists().where(
        UnsettledFile.dataset_id == TierItem.dataset_id
    )
    queued = TierItem.wanted.is_not(None) & ~waits
    return not _count(tiers, TierItem, queued | TierItem.running.is_not(None))


def _count(tiers, table: type, *where) -> int:
    with tiers.worker.queue._engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table).where(*where)))


def check(site, tiers, ledger: Ledger) -> None:
    """Catalog, both levels and the queue agree with each other and with what clients know."""
    assert ledger.wrong == []
    assert len(ledger.stored) > 5
    # when what was sent in pieces, and nobody came back for, has expired too
    swept = sweep_of(site.settings_file, site.process.http).run(
        datetime.now(UTC) + timedelta(days=3)
    )
    assert swept.unclear == []
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
    tiers.worker.locks.drop_ended()
    assert (_count(tiers, TierLock), _count(tiers, UnsettledFile)) == (0, 0)


def settle(tiers) -> None:
    """Do all that is queued, what waits for more changes too."""
    until = time.monotonic() + 60
    while tiers.levels.overview().under_way:
        assert time.monotonic() < until
        if not tiers.worker.work():
            # As the service does: what was killed may not have been quite dead a moment ago.
            tiers.worker.queue.recover()
            time.sleep(0.05)
