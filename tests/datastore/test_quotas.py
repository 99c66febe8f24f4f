"""Quotas hold for uploads at the same time, and what a crash kept is free again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
import requests
from sqlalchemy import func, select, update

from datastore.alive import Alive
from datastore.model import LiveOwner, ReservedSpace
from datastore.reservations import Reservations
from servicekit.database import writing

_QUOTA = "quota = { investigation_bytes = 1000 }"


class Together:
    """Two bodies of 600 bytes, of which neither ends before both have begun, or one was refused."""

    def __init__(self) -> None:
        self._begun = threading.Barrier(2)

    def body(self) -> Iterator[bytes]:
        yield bytes(1)
        self.wait()
        yield bytes(599)

    def wait(self) -> None:
        with suppress(threading.BrokenBarrierError):
            self._begun.wait(20)

    def refused(self) -> None:
        self._begun.abort()


class Announced:
    """A body of which the length is told before."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def __len__(self) -> int:
        return 600

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks


@pytest.mark.slow
@pytest.mark.parametrize("is_announced", [True, False])
def test_of_two_at_the_same_time_only_one_passes(
    tmp_path, make_site, serving, database_url, is_announced
):
    url = "" if database_url.startswith("sqlite") else database_url
    site = make_site(tmp_path / "site", database_url=url, more=_QUOTA)
    together, statuses = Together(), []
    session_id = site.catalog().session_id

    def put(name: str, base: str) -> None:
        body = Announced(together.body()) if is_announced else together.body()
        params = {
            "sessionId": session_id,
            "name": name,
            "datasetId": site.dataset_ids[0],
            "datafileFormatId": site.datafile_format_id,
        }
        answer = requests.put(f"{base}/ids/put", params=params, data=body, timeout=60)
        statuses.append(answer.status_code)
        if answer.status_code == 507:
            together.refused()

    with serving(site, "catalog", "datastore") as served:
        threads = [threading.Thread(target=put, args=(name, served.url)) for name in "ab"]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert sorted(statuses) == [201, 507]
        assert len(site.stored_files()) == 1
    with writing(engine_of(site)).connect() as connection:
        assert connection.scalar(select(func.count()).select_from(ReservedSpace)) == 0


def engine_of(site):
    return site.process.app("datastore").extensions["datastore"].depot._unsettled._engine


@pytest.fixture
def reservations(engine_of):
    engine = engine_of("datastore")
    return Reservations(engine, Alive(engine))


def test_who_comes_later_sees_what_was_kept_before(reservations):
    first = reservations.add("ana", 1, 100)
    second = reservations.add("ben", 1, 50)
    third = reservations.add("ana", 2, 7)
    assert [reservations.before(id, investigation_id=1) for id in (first, second)] == [0, 100]
    assert reservations.before(third, user_name="ana") == 100
    reservations.free([first])
    assert reservations.before(third, user_name="ana") == 0


def test_what_a_killed_process_kept_is_free_again(reservations):
    reservations.add("ana", 1, 100)
    engine = reservations._engine
    other = Reservations(engine, Alive(engine))
    own = other.add("ana", 1, 1)
    assert other.before(own, user_name="ana") == 100
    with writing(engine).begin() as connection:
        gone = update(LiveOwner).where(LiveOwner.name == reservations._alive.name)
        ended = other._alive.now() - timedelta(seconds=1)
        connection.execute(gone.values(until=ended))
    assert other.before(own, user_name="ana") == 0
    other.add("ana", 1, 1)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(ReservedSpace)) == 2
