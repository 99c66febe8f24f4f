"""Ten thousand restores asked for by one user, from the tape library that is simulated."""

from __future__ import annotations

import time
import uuid
from urllib.parse import quote

import pytest
from sqlalchemy import func, insert, select

from datastore.app import tiers_of
from datastore.tiers.model import TierItem
from datastore.tiers.worker import Workers
from ijp.datastore import Selection
from servicekit.database import writing

pytestmark = pytest.mark.slow

MANY = 10_000
_CONTENT = b"0123456789"
_TAPE = """
root_users = ["simple/root"]
[datastore.archive]
storage = "tape"
unit = "datafile"
delay_seconds = 0
settings = { mount_seconds = 0.05, bytes_a_second = 1e9, drives = 2 }
"""


@pytest.fixture
def site(facility_site):
    return facility_site(more=_TAPE)


@pytest.fixture
def tiers(site):
    return tiers_of(site.settings_file, site.process.http)


def on_tape(site, tiers, investigation: int, dataset_id: int, count: int) -> list[int]:
    """Datafiles whose contents are on a tape, as the library has them, and nowhere else."""
    tape = site.folder / "archive" / "library" / "tapes" / "000001"
    tape.mkdir(parents=True, exist_ok=True)
    places = [f"{investigation}/{dataset_id}/{uuid.uuid4()}" for _ in range(count)]
    for place in places:
        (tape / quote(place, safe="")).write_bytes(_CONTENT)
    ids = []
    for at in range(0, count, 1000):
        ids += site.catalog("root").write(
            [
                {
                    "Datafile": {
                        "name": place,
                        "dataset": {"id": dataset_id},
                        "location": place,
                        "fileSize": len(_CONTENT),
                    }
                }
                for place in places[at : at + 1000]
            ]
        )
    same = {"in_main": False, "in_archive": True, "unwritten": False, "archive_bytes": 10}
    rows = [
        {"key": place, "dataset_id": dataset_id, "touched": tiers.worker.queue.now(), **same}
        for place in places
    ]
    with writing(tiers.worker.queue._engine).begin() as connection:
        connection.execute(insert(TierItem), rows)
    return ids


def test_another_user_is_served_while_most_of_them_wait(site, tiers):
    first, second = site.investigation_ids
    on_tape(site, tiers, first, site.dataset_ids[0], MANY)
    (wanted,) = on_tape(site, tiers, second, site.dataset_ids[1], 1)
    site.datastore("ana").restore(Selection(dataset_ids=[site.dataset_ids[0]]))
    (share,) = tiers.levels.overview().shares
    assert (share.asker, share.waiting, share.running) == ("simple/ana", MANY, 0)
    workers = Workers(tiers.worker, 2, 0.05)
    try:
        await_some(tiers)
        chosen = Selection(datafile_ids=[wanted])
        site.datastore("ben").restore(chosen)
        until = time.monotonic() + 120
        while site.datastore("ben").status(chosen) != "ONLINE":
            assert time.monotonic() < until
            time.sleep(0.05)
        left = sum(one.waiting for one in tiers.levels.overview().shares)
    finally:
        workers.stop()
    # what ran when he asked, and one more portion for each of the two workers
    assert left > MANY * 0.8
    with site.datastore("ben").get_data(chosen) as download:
        assert b"".join(download.blocks()) == _CONTENT
    with tiers.worker.queue._engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(TierItem)) == MANY + 1
    told = service_status(site)
    assert len(told["opsQueue"]) == 1000
    assert told["opsQueueLength"] == sum(one["waiting"] for one in told["askers"])


def await_some(tiers) -> None:
    """Until some of it is back."""
    until = time.monotonic() + 60
    while not any(one.running for one in tiers.levels.overview().shares):
        assert time.monotonic() < until
        time.sleep(0.02)


def service_status(site) -> dict:
    url = "http://datastore.embedded/ids/getServiceStatus"
    told = {"sessionId": site.catalog("root").session_id}
    return site.process.http.get(url, params=told).json()
