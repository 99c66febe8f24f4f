"""What a client of the catalog waits for before its first question."""

from __future__ import annotations

import statistics
import time
import tomllib
from collections.abc import Callable

import icat
from werkzeug.security import check_password_hash

from bench.big_catalog import USERS
from bench.measure import Result, median_seconds
from bench.site import PASSWORD, Site

USER = USERS[0]
TIMES = 10


def measure(site: Site) -> list[Result]:
    """Making a client of python-icat, and logging in."""
    return [construction(site), log_in(site)]


def soap_client(site: Site) -> icat.Client:
    """python-icat's client for the site, without a session."""
    return icat.Client(f"{site.url}/ICATService/ICAT?wsdl")


def construction(site: Site) -> Result:
    """python-icat asks for the description of every entity; it keeps the WSDL by itself."""
    seconds = median_seconds(lambda: soap_client(site))
    began = time.process_time()
    for _ in range(TIMES):
        soap_client(site)
    own = (time.process_time() - began) / TIMES
    return Result(
        "icat.Client(), 58 calls by SOAP",
        f"{1000 * seconds:.0f} ms",
        f"work of the client itself {1000 * own:.0f} ms",
        "≤ 200 ms",
        seconds <= 0.2,
    )


def log_in(site: Site) -> Result:
    """By REST, without the time that the hash of the password takes by intent."""
    users = tomllib.loads((site.folder / "secrets" / "simple_users.toml").read_text())
    hashes: list[float] = []
    log_ins: list[float] = []
    for _ in range(2 * TIMES):
        hashes.append(_seconds(lambda: check_password_hash(users[USER], PASSWORD)))
        log_ins.append(_seconds(lambda: site.catalog(USER)))
    hashing, seconds = statistics.median(hashes), statistics.median(log_ins)
    return Result(
        "log-in by REST",
        f"{1000 * seconds:.0f} ms",
        f"hash of the password {1000 * hashing:.0f} ms",
        f"≤ hash + 60 ms = {1000 * hashing + 60:.0f} ms",
        seconds <= hashing + 0.06,
    )


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
