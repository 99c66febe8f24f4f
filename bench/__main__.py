"""``make bench``: measures, prints a table, and says so when a target is missed.

Every number stands beside the limit that was measured in the same run on the same machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import create_engine, text

from bench import (
    batch,
    catalog_bulk,
    catalog_clients,
    catalog_data,
    catalog_export,
    catalog_rules,
    catalog_search,
    catalog_sessions,
    demo,
    jobs,
    nginx,
    pages,
    postgresql,
    small_files,
    transfers,
)
from bench.big_catalog import big_catalog
from bench.catalog_data import PORTAL
from bench.measure import Result, table
from bench.site import Site, served

MEBIBYTES = 2048


def site_results(folder: Path, wanted: set[str]) -> list[Result]:
    """What is measured on a whole installation on PostgreSQL."""
    found: list[Result] = []
    os.environ["DATASTORE__ACCEL_PREFIX"] = nginx.FILES
    place = folder / "postgresql"
    place.mkdir()
    with postgresql.server(place) as server:
        admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE bench"))
        admin.dispose()
        with served(folder / "site", f"{server}/bench", [pages.USER]) as site:
            pages.define(site.folder / "facility")
            say(f"making {PORTAL.datasets:,} datasets")
            catalog_data.fill(site.tables("catalog"), PORTAL)
            for section, measure in SECTIONS.items():
                if section in wanted:
                    say(section)
                    found += measure(site)
    return found


def _transfers(site: Site) -> list[Result]:
    return transfers.measure(site, MEBIBYTES)


SECTIONS: dict[str, Callable[[Site], list[Result]]] = {
    "pages": lambda site: [pages.search_page(site), pages.option_form(site)],
    "jobs": lambda site: [jobs.start(site), jobs.thousand(site), jobs.long_list(site)],
    "transfers": _transfers,
    "files": small_files.measure,
}


def catalog_results(folder: Path, wanted: set[str]) -> list[Result]:
    """What is measured on the catalog alone, with ten times as many datasets."""
    found: list[Result] = []
    with big_catalog(folder) as site:
        for section, measure in CATALOG_SECTIONS.items():
            if section in wanted:
                say(section)
                found += measure(site)
    return found


CATALOG_SECTIONS: dict[str, Callable[[Site], list[Result]]] = {
    "search": catalog_search.measure,
    "sessions": catalog_sessions.measure,
    "rules": catalog_rules.measure,
    "clients": catalog_clients.measure,
    "bulk": catalog_bulk.measure,
    "export": catalog_export.measure,
}


def say(what: str) -> None:
    """Tell what is being done."""
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    """Measure the named sections, or all."""
    known = [*SECTIONS, *CATALOG_SECTIONS, "batch", "demo"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(known)}")
    wanted = set(parser.parse_args().sections or known)
    if unknown := wanted - set(known):
        parser.error(f"no section {', '.join(sorted(unknown))} (there are: {', '.join(known)})")
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="ijp-bench-") as made:
        folder = Path(made)
        os.chmod(folder, 0o755)
        if wanted & set(SECTIONS):
            results += site_results(folder, wanted)
        if wanted & set(CATALOG_SECTIONS):
            results += catalog_results(folder, wanted)
        if "batch" in wanted:
            say("batch")
            results += batch.measure(folder)
        if "demo" in wanted:
            say("demo")
            results += demo.measure(folder)
    print(table(results))
    sys.exit(0 if all(one.good for one in results) else 1)


main()
