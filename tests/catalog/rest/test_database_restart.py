"""The database is started anew while the catalog serves."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from werkzeug.test import TestResponse

from bench import postgresql
from servicekit import database


@pytest.fixture
def own_server() -> Iterator[str]:
    """A server that others do not use."""
    with tempfile.TemporaryDirectory(prefix="ijp-postgresql-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        with postgresql.server(folder) as url:
            yield url


@pytest.fixture
def migrated_url(own_server: str) -> str:
    """An empty catalog on it."""
    admin = create_engine(f"{own_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE catalog"))
    admin.dispose()
    url = f"{own_server}/catalog"
    engine = database.engine_for(url, "catalog")
    database.upgrade(engine, "catalog")
    engine.dispose()
    return url


@pytest.fixture
def restart(own_server: str) -> Callable[[], None]:
    """Ends the server at once, as if it had crashed, and starts it again."""
    admin = create_engine(f"{own_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        data = connection.scalar(text("SHOW data_directory"))
        programs = connection.scalar(text("SELECT setting FROM pg_config WHERE name = 'BINDIR'"))
    admin.dispose()
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    command = [f"{programs}/pg_ctl", "-D", data, "-w", "-m", "immediate", "-l", f"{data}/log"]

    def restart() -> None:
        before = as_user if os.geteuid() == 0 else []
        subprocess.run([*before, *command, "restart"], check=True, cwd="/", capture_output=True)

    return restart


def _await_waiting(engine: Engine) -> None:
    """Until some statement waits for a lock."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with engine.connect() as connection:
            if connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
        time.sleep(0.02)
    raise AssertionError("nothing waits")


@pytest.mark.slow
@pytest.mark.parametrize("writes", [False, True], ids=["search", "create"])
def test_a_call_fails_clearly_and_the_next_one_works(root, app, dataset_body, restart, writes):
    root.create("Dataset", **dataset_body("before"))
    new = {"Dataset": dataset_body("during")}

    def call() -> TestResponse:
        if writes:
            return root.post([new])
        return root.call("GET", "/entityManager", query_string={"query": "Dataset"})

    own = create_engine(app.extensions["catalog"].transactions.engine.url)
    with ThreadPoolExecutor(1) as pool, own.connect() as connection:
        connection.execute(text("LOCK TABLE catalog.dataset IN ACCESS EXCLUSIVE MODE"))
        calling = pool.submit(call)
        _await_waiting(own)
        restart()
        answer = calling.result(timeout=30)
        connection.invalidate()
    own.dispose()
    assert answer.status_code == 503
    assert answer.json["message"] == "the database does not answer now; please try again"
    assert root.search("SELECT d.name FROM Dataset d") == ["before"]
    root.write(new)
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [2]
