"""Much at once: storing 16,000 entities, finding 100,000, exporting all, in how much memory."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import icat
import psycopg2
from psycopg2.extras import execute_values

from bench.big_catalog import USERS
from bench.catalog_data import FIRST_INVESTIGATION, NUMERIC
from bench.measure import Result
from bench.postgresql import free_port
from bench.site import PASSWORD, Site
from bench.transfers import reset_peaks, resident_mebibytes
from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import UnavailableError

USER = USERS[-1]
INVESTIGATIONS = 100
DATASETS, PARAMETERS, DATAFILES = 1_000, 5, 10
ENTITIES = DATASETS * (1 + PARAMETERS + DATAFILES)
FOUND_DATASETS, FOUND_EACH = 10_000, 10
FOUND = FOUND_DATASETS * FOUND_EACH
ROUNDS = 5

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_QUERY = (
    "SELECT d FROM Dataset d WHERE d.investigation.id BETWEEN {first} AND {last} "
    "INCLUDE d.parameters"
)
_STAMPS = ("create_id", "create_time", "mod_id", "mod_time")


@dataclass(frozen=True)
class Server:
    """The catalog alone, with room for long answers."""

    url: str
    pids: list[int]

    def login(self, name: str) -> CatalogSession:
        """Somebody who is logged in."""
        credentials = {"username": name, "password": PASSWORD}
        return CatalogClient(f"{self.url}/icat").login("simple", credentials)

    def soap(self, session: CatalogSession, operation: str, arguments: str) -> bytes:
        """The answer of an operation; it must not be a fault."""
        body = (
            f'<S:Envelope xmlns:S="{_SOAP}" xmlns:t="http://icatproject.org" xmlns:xsi="{_XSI}">'
            f"<S:Body><t:{operation}><sessionId>{session.session_id}</sessionId>{arguments}"
            f"</t:{operation}></S:Body></S:Envelope>"
        )
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        return self._answer("POST", "/ICATService/ICAT", body.encode(), headers)

    def rest(self, session: CatalogSession, query: str) -> bytes:
        """The answer to a query."""
        arguments = urlencode({"sessionId": session.session_id, "query": query})
        return self._answer("GET", f"/icat/entityManager?{arguments}", None, {})

    def _answer(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path[:60]} answered {answer.status}: {found[:500]!r}")
        return found


@contextmanager
def served(site: Site) -> Iterator[Server]:
    """One more server on the same database: a fresh process, whose answers may be long."""
    bind = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-P", "-m", "servicekit.cli", "serve", "--bind", bind]
    variables = {**os.environ, "CATALOG__MAX_ENTITIES": str(10 * FOUND)}
    with (site.folder / "bulk.log").open("wb") as log:
        settings = str(site.folder / "ijp.toml")
        process = subprocess.Popen(
            [*command, "--settings", settings, "catalog"], stdout=log, stderr=log, env=variables
        )
    try:
        _await(f"http://{bind}/icat", process)
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        )
        yield Server(f"http://{bind}", [process.pid, *map(int, children.stdout.split())])
    finally:
        process.terminate()
        process.wait(60)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            CatalogClient(url).version()
            return
        except UnavailableError:
            if time.monotonic() > until or process.poll() is not None:
                raise
            time.sleep(0.1)


def measure(site: Site) -> list[Result]:
    """All of it."""
    let_write(site)
    with served(site) as server:
        session = server.login(USER)
        found = [*ingest(site, server, session), *search(site, server, session)]
    return found


def let_write(site: Site) -> None:
    """Make the user a member of a hundred investigations, which have 10,000 datasets."""
    with connected(site) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO investigation_user (user_id, investigation_id, role, create_id, "
            "create_time, mod_id, mod_time) SELECT u.id, n, 'member', 'bench', now(), 'bench', "
            "now() FROM user_ u, generate_series(%s, %s) n WHERE u.name = %s "
            "ON CONFLICT DO NOTHING",
            (FIRST_INVESTIGATION, FIRST_INVESTIGATION + INVESTIGATIONS - 1, f"simple/{USER}"),
        )
        connection.commit()


@contextmanager
def connected(site: Site) -> Iterator[Any]:
    """A connection of the benchmark's own."""
    address = site.database_url.replace("+psycopg2", "")
    with closing(psycopg2.connect(address, options="-csearch_path=catalog")) as connection:
        yield connection


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """How long something takes, and what it gives."""
    began = time.perf_counter()
    found = do()
    return time.perf_counter() - began, found


# Storing


def ingest(site: Site, server: Server, session: CatalogSession) -> list[Result]:
    """createMany of datasets with all that is in them, beside the same rows by hand."""
    by_soap, by_hand = [], []
    with connected(site) as connection:
        kinds = _parameter_types(connection)
        for number in range(ROUNDS + 1):
            place = FIRST_INVESTIGATION + number
            beans = "".join(_bean(f"soap {number} {n}", place, kinds) for n in range(DATASETS))
            seconds, answer = timed(partial(server.soap, session, "createMany", beans))
            if answer.count(b"<return>") != DATASETS:
                raise RuntimeError(f"createMany answered {answer[:500]!r}")
            by_soap.append(seconds)
            names = [f"hand {number} {n}" for n in range(DATASETS)]
            by_hand.append(timed(partial(_insert, connection, names, place, kinds))[0])
    soap, hand = statistics.median(by_soap[1:]), statistics.median(by_hand[1:])
    whole = _by_python_icat(server, kinds)
    return [
        Result(
            f"createMany of {ENTITIES:,} entities under rules, raw XML",
            f"{ENTITIES / soap:,.0f} entities/s ({soap:.2f} s)",
            f"execute_values {hand:.2f} s",
            f"≥ 5,000 entities/s and ≤ 4 times = {4 * hand:.2f} s",
            soap <= min(4 * hand, ENTITIES / 5000),
        ),
        Result(
            "the same by python-icat, its own time included",
            f"{whole:.1f} s",
            f"server {soap:.2f} s",
            "none",
            True,
        ),
    ]


def _parameter_types(connection: Any) -> list[int]:
    with connection.cursor() as cursor:
        names = tuple(NUMERIC[:PARAMETERS])
        cursor.execute("SELECT id FROM parameter_type WHERE name IN %s ORDER BY id", (names,))
        return [int(row[0]) for row in cursor.fetchall()]


def _bean(name: str, investigation: int, kinds: list[int]) -> str:
    parameters = "".join(
        f"<parameters><numericValue>{n}.5</numericValue><type><id>{kind}</id></type></parameters>"
        for n, kind in enumerate(kinds)
    )
    datafiles = "".join(
        f"<datafiles><fileSize>{1000 + n}</fileSize><location>/some/where/{name}/{n}</location>"
        f"<name>file {n}</name></datafiles>"
        for n in range(DATAFILES)
    )
    return (
        f'<beans xsi:type="t:dataset"><complete>true</complete>{datafiles}'
        f"<investigation><id>{investigation}</id></investigation><name>{name}</name>{parameters}"
        "<startDate>2026-01-01T00:00:00Z</startDate><type><id>1001</id></type></beans>"
    )


def _insert(connection: Any, names: list[str], investigation: int, kinds: list[int]) -> None:
    """The rows that the catalog makes of the beans."""
    now = datetime.now(UTC)
    stamps = ("bench", now, "bench", now)

    def store(table: str, columns: str, rows: list[Any], returning: str = "") -> list[Any]:
        every = f"{columns}, {', '.join(_STAMPS)}"
        statement = f"INSERT INTO {table} ({every}) VALUES %s {returning}"
        with connection.cursor() as cursor:
            found = execute_values(cursor, statement, rows, page_size=1000, fetch=bool(returning))
        return found or []

    began = datetime(2026, 1, 1, tzinfo=UTC)
    datasets = [(True, 0, 0, name, began, investigation, 1001, *stamps) for name in names]
    columns = "complete, file_count, file_size, name, start_date, investigation_id, type_id"
    ids = [row[0] for row in store("dataset", columns, datasets, "RETURNING id")]
    values = [(id, kind, n + 0.5, *stamps) for id in ids for n, kind in enumerate(kinds)]
    store("dataset_parameter", "dataset_id, type_id, numeric_value", values)
    files = [
        (id, f"file {n}", 1000 + n, f"/some/where/{name}/{n}", *stamps)
        for id, name in zip(ids, names, strict=True)
        for n in range(DATAFILES)
    ]
    store("datafile", "dataset_id, name, file_size, location", files)
    connection.commit()


def _by_python_icat(server: Server, kinds: list[int]) -> float:
    client = icat.Client(f"{server.url}/ICATService/ICAT?wsdl")
    client.login("simple", {"username": USER, "password": PASSWORD})
    place = client.new("Investigation", id=FIRST_INVESTIGATION + ROUNDS + 1)
    kind, types = (
        client.new("DatasetType", id=1001),
        [client.new("ParameterType", id=n) for n in kinds],
    )

    def dataset(number: int) -> Any:
        found = client.new(
            "Dataset", name=f"icat {number}", complete=True, investigation=place, type=kind
        )
        for n, one in enumerate(types):
            found.parameters.append(client.new("DatasetParameter", numericValue=n + 0.5, type=one))
        for n in range(DATAFILES):
            found.datafiles.append(client.new("Datafile", name=f"file {n}", fileSize=1000 + n))
        return found

    seconds, _ = timed(lambda: client.createMany([dataset(number) for number in range(DATASETS)]))
    client.logout()
    return seconds


# Searching


def search(site: Site, server: Server, session: CatalogSession) -> list[Result]:
    """10,000 datasets with their parameters over both interfaces."""
    hand = _by_hand(site)
    query = (
        _QUERY.format(first=FIRST_INVESTIGATION, last=FIRST_INVESTIGATION + INVESTIGATIONS - 1)
        + f" LIMIT 0, {FOUND_DATASETS}"
    )
    soap = f"<query>{query}</query>"
    return [
        _search_result("SOAP", server, hand, lambda: server.soap(session, "search", soap), b"<id>"),
        _search_result("REST", server, hand, lambda: server.rest(session, query), b'"id":'),
    ]


def _search_result(
    front: str, server: Server, hand: float, do: Callable[[], bytes], mark: bytes
) -> Result:
    do()
    reset_peaks(server.pids)
    before = resident_mebibytes(server.pids)
    times = []
    for _ in range(ROUNDS):
        seconds, answer = timed(do)
        times.append(seconds)
        if answer.count(mark) != FOUND:
            raise RuntimeError(f"{answer.count(mark)} entities came over {front}, not {FOUND}")
    seconds, grown = statistics.median(times), resident_mebibytes(server.pids) - before
    return Result(
        f"{FOUND_DATASETS:,} datasets with their parameters over {front}, under rules",
        f"{FOUND / seconds:,.0f} beans/s ({seconds:.2f} s, +{grown:.0f} MiB)",
        f"rows by psycopg2 {hand:.2f} s",
        "≥ 20,000 beans/s",
        FOUND / seconds >= 20_000,
    )


def _by_hand(site: Site) -> float:
    """The same rows as Python has them."""
    where = "ds.investigation_id BETWEEN %s AND %s ORDER BY ds.id LIMIT %s"
    bounds = (FIRST_INVESTIGATION, FIRST_INVESTIGATION + INVESTIGATIONS - 1, FOUND_DATASETS)

    def rows() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT ds.id, ds.* FROM dataset ds WHERE {where}", bounds)
            ids = [row[0] for row in cursor.fetchall()]
            cursor.execute("SELECT * FROM dataset_parameter WHERE dataset_id = ANY(%s)", (ids,))
            if len(cursor.fetchall()) + len(ids) != FOUND:
                raise RuntimeError("by hand there are other rows")

    with connected(site) as connection:
        return statistics.median([timed(rows)[0] for _ in range(ROUNDS)])
