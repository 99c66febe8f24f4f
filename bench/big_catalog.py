"""The catalog with 1,000,000 datasets on PostgreSQL, served as in production.

``with big_catalog(folder) as site`` gives its URL, that of its database, the processes and a
session of the root user; ``site.catalog(USERS[0])`` is an ordinary user over the socket. Their
password is ``bench.site.PASSWORD``.

Filling takes minutes. While working on the code set ``BENCH_CATALOG`` to a folder: PostgreSQL's
files stay there, and the next run begins with them, with what earlier runs wrote. One run at a
time may use it; for another copy the folder with ``cp -a`` while none does. Delete it to fill it
anew, which also happens by itself after the sizes changed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import create_engine, text

from bench import catalog_data, postgresql
from bench.catalog_data import BIG, Sizes
from bench.site import Site, served

KEPT = "BENCH_CATALOG"
USERS = tuple(f"bench{number}" for number in range(1, 21))
"""Those of the users who can log in."""

_FILLED = "filled.json"

# A server of 4 GiB or more, as whoever looks after it would set it up; the last four are for
# filling, and nothing that is measured waits for them.
_POSTGRESQL = {
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "random_page_cost": "1.1",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "16GB",
}


@contextmanager
def big_catalog(folder: Path, sizes: Sizes = BIG) -> Iterator[Site]:
    """Serve the catalog alone, filled; the folder is one that ``postgres`` can reach."""
    place = Path(os.environ.get(KEPT) or folder / "big")
    if (place / "data").exists() and not _is_filled(place, sizes):
        shutil.rmtree(place / "data")
    place.mkdir(parents=True, exist_ok=True)
    with postgresql.server(place, _POSTGRESQL, kept=True) as server:
        url = f"{server}/bench"
        if not _is_filled(place, sizes):
            _make_database(server)
        with served(folder / "catalog-site", url, USERS, ["catalog"]) as site:
            if not _is_filled(place, sizes):
                _fill(site, sizes)
                (place / _FILLED).write_text(json.dumps(asdict(sizes)))
            yield site


def _is_filled(place: Path, sizes: Sizes) -> bool:
    mark = place / _FILLED
    return mark.exists() and json.loads(mark.read_text()) == asdict(sizes)


def _make_database(server: str) -> None:
    admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE bench"))
    admin.dispose()


def _fill(site: Site, sizes: Sizes) -> None:
    print(f"making {sizes.datasets:,} datasets", file=sys.stderr, flush=True)
    began = time.perf_counter()
    engine = site.tables("catalog")
    catalog_data.fill(engine, sizes)
    engine.dispose()
    print(f"made in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
