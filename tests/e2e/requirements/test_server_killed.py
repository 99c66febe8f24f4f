"""The server is killed again and again while a script submits: no job lost, none run twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from ijp.errors import PortalError
from ijp.portal import PortalClient
from portal import installation

IJPD = Path(sys.executable).with_name("ijpd")
JOBS = 30


def _serve(settings: Path, address: str) -> subprocess.Popen[bytes]:
    with (settings.parent / "server.log").open("ab") as log:
        return subprocess.Popen(
            [IJPD, "serve", "--settings", settings, "--bind", address],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _kill(server: subprocess.Popen[bytes]) -> None:
    """As by the power switch, all its processes; jobs have sessions of their own."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@pytest.mark.slow
def test_server_killed_while_jobs_are_submitted(tmp_path, free_address):
    """Bad input: the server killed at any moment of a submission; the same one sent again."""
    folder, ran = tmp_path / "killed", tmp_path / "ran"
    installation.make(folder, facility_name="Killed", public_url=f"http://{free_address}", slots=2)
    installation.add_users(folder / "secrets", {"ana": "two words"})
    settings = folder / installation.SETTINGS_FILE
    subprocess.run([IJPD, "db", "upgrade", "--settings", settings], check=True, capture_output=True)
    program = folder / "facility" / "bin" / "once"
    program.write_text(f'#!/bin/sh\necho "$2" >> {ran}\n')
    program.chmod(0o755)
    (folder / "facility" / "job_types" / "once.xml").write_text(
        "<jobType><name>once</name><executable>bin/once</executable><type>batch</type>"
        "<datasetTypes>none (job only)</datasetTypes><jobOptions><name>Number</name>"
        "<type>integer</type><programParameter>-n</programParameter></jobOptions></jobType>"
    )
    server = _serve(settings, free_address)
    load = [IJPD, "facility", "load", "--settings", settings]
    subprocess.run(load, check=True, capture_output=True)
    ids: dict[int, int] = {}
    script = threading.Thread(target=_submit_all, args=(f"http://{free_address}", ids))
    script.start()
    chance = random.Random(119)
    try:
        for number in (8, 16, 24):
            _wait(partial(_at_least, ids, number))
            time.sleep(chance.random() / 2)
            _kill(server)
            server = _serve(settings, free_address)
        script.join(120)
        assert len(ids) == len(set(ids.values())) == JOBS
        client = _logged_in(f"http://{free_address}")
        for id in ids.values():
            _wait(partial(_is_completed, client, id))
    finally:
        _kill(server)
    assert sorted(map(int, ran.read_text().split())) == list(range(JOBS))


def _logged_in(url: str) -> PortalClient:
    client = PortalClient(url)
    while True:
        try:
            client.login("simple", {"username": "ana", "password": "two words"})
            return client
        except PortalError:
            time.sleep(0.2)


def _submit_all(url: str, ids: dict[int, int]) -> None:
    client = _logged_in(url)
    until = time.monotonic() + 110
    for number in range(JOBS):
        while time.monotonic() < until:
            try:
                (job,) = client.submit("once", options={"Number": number}, key=f"number {number}")
                ids[number] = job["id"]
                time.sleep(0.02)
                break
            except PortalError:
                time.sleep(0.1)


def _at_least(ids: dict[int, int], number: int) -> bool:
    return len(ids) >= number


def _is_completed(client: PortalClient, id: int) -> bool:
    return client.job(id)["state"] == "Completed"


def _wait(holds) -> None:
    until = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
