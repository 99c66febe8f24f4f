"""Searches in the catalog with a million datasets, against the same answers by hand-written SQL."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg2

from bench.big_catalog import USERS
from bench.catalog_data import FIRST_TYPE
from bench.measure import Result
from bench.site import Site
from ijp.catalog import CatalogSession

USER = USERS[6]
PAGE = 50
ROUNDS = 40
WARM = 3
FACTOR, ADDED_SECONDS = 1.5, 0.010
WORST_SECONDS, SLOW_SQL_SECONDS = 0.4, 0.2

Run = Callable[[str], list[Any]]
"""Runs a query and gives the rows."""


@dataclass(frozen=True)
class Question:
    """Something to be found, in both languages.

    Attributes:
        source: FROM and WHERE of the query, with ``{low}`` and ``{high}`` as its bounds.
        hand: Those of the SQL, which knows the ids of the types. Both call the dataset ``ds``.
        hand_count: Instead of ``hand`` for the count, where less will do.
        is_root: Asked by the user to whom no rules apply.
    """

    name: str
    source: str
    hand: str
    low: float
    high: float
    is_root: bool = False
    newest_first: bool = False
    hand_count: str = ""

    def query(self, *, count: bool) -> str:
        """In the catalog's language."""
        if count:
            return f"SELECT COUNT(ds) {self.source}"
        order = " ORDER BY ds.createTime DESC" if self.newest_first else ""
        return f"SELECT ds {self.source}{order} LIMIT 0, {PAGE}"

    def sql(self, *, count: bool) -> str:
        """By hand; the count or the dataset's id comes first."""
        if count:
            return f"SELECT COUNT(*) {self.hand_count or self.hand}"
        order = "ds.create_time DESC, ds.id DESC" if self.newest_first else "ds.id"
        return f"SELECT ds.id, ds.* {self.hand} ORDER BY {order} LIMIT {PAGE}"


_MINE = (
    "ds.investigation_id IN (SELECT iu.investigation_id FROM catalog.investigation_user iu "
    f"JOIN catalog.user_ u ON u.id = iu.user_id WHERE u.name = 'simple/{USER}')"
)
_TWO = (
    "FROM Dataset ds JOIN ds.parameters p JOIN ds.parameters q "
    "WHERE p.type.name = 'quantity1' AND p.numericValue > {low} "
    "AND q.type.name = 'quantity2' AND q.numericValue < {high}"
)
_PAIRS_BY_HAND = (
    "catalog.dataset_parameter p "
    "JOIN catalog.dataset_parameter q ON q.dataset_id = p.dataset_id {}"
    f"WHERE p.type_id = {FIRST_TYPE} AND p.numeric_value > {{{{low}}}} "
    f"AND q.type_id = {FIRST_TYPE + 1} AND q.numeric_value < {{{{high}}}}"
)
_TWO_BY_HAND = "FROM " + _PAIRS_BY_HAND.format("JOIN catalog.dataset ds ON ds.id = p.dataset_id ")
NARROW = Question(
    "narrow range under rules",
    "FROM Dataset ds JOIN ds.parameters p "
    "WHERE p.type.name = 'quantity1' AND p.numericValue BETWEEN {low} AND {high}",
    "FROM catalog.dataset ds JOIN catalog.dataset_parameter p ON p.dataset_id = ds.id "
    f"WHERE p.type_id = {FIRST_TYPE} "
    f"AND p.numeric_value BETWEEN {{low}} AND {{high}} AND {_MINE}",
    500,
    504,
)
QUESTIONS = (
    NARROW,
    Question(
        "two ranges and a LIKE under rules",
        f"{_TWO} AND ds.name LIKE '%7%'",
        f"{_TWO_BY_HAND} AND ds.name LIKE '%7%' AND {_MINE}",
        500,
        500,
    ),
    Question(
        "two conditions without rules, newest first",
        _TWO,
        _TWO_BY_HAND,
        900,
        100,
        is_root=True,
        newest_first=True,
        hand_count="FROM " + _PAIRS_BY_HAND.format(""),
    ),
)


def measure(site: Site) -> list[Result]:
    """The first page and the count of each question."""
    user = site.catalog(USER)
    found: list[Result] = []
    with by_hand(site) as hand:
        for question in QUESTIONS:
            session = site.root if question.is_root else user
            with by_rest(site, session) as rest:
                found += [_compared(question, hand, rest, count=count) for count in (False, True)]
    return found


@contextmanager
def by_hand(site: Site) -> Iterator[Run]:
    """Runs SQL on a connection of its own."""
    address = site.database_url.replace("+psycopg2", "")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def run(sql: str) -> list[Any]:
            cursor.execute(sql)
            return cursor.fetchall()

        yield run


@contextmanager
def by_rest(site: Site, session: CatalogSession) -> Iterator[Run]:
    """Runs queries over one connection, with next to no time of its own but for the JSON."""
    with closing(http.client.HTTPConnection(urlsplit(site.url).netloc)) as connection:

        def run(query: str) -> list[Any]:
            arguments = urlencode({"sessionId": session.session_id, "query": query})
            connection.request("GET", f"/icat/entityManager?{arguments}")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{query} answered {answer.status}: {body[:500]!r}")
            found: list[Any] = json.loads(body)
            return found

        yield run


def _compared(question: Question, hand: Run, rest: Run, *, count: bool) -> Result:
    """Ask both in turn, each time within other bounds, so that nothing that was kept helps."""
    query, sql = question.query(count=count), question.sql(count=count)
    times: list[tuple[float, float]] = []
    for number in range(WARM + ROUNDS):
        bounds = {"low": question.low + number / 1000, "high": question.high + number / 1000}
        wanted, sql_seconds = timed(hand, sql.format(**bounds))
        given, rest_seconds = timed(rest, query.format(**bounds))
        if [row[0] for row in wanted] != [one if count else one["Dataset"]["id"] for one in given]:
            raise RuntimeError(f"{query.format(**bounds)} gave other rows than SQL by hand")
        times.append((sql_seconds, rest_seconds))
    by_sql, by_catalog = zip(*times[WARM:], strict=True)
    return _result(f"{question.name}, {'count' if count else 'page'}", by_sql, by_catalog)


def timed(run: Run, query: str) -> tuple[list[Any], float]:
    """The rows, and how long they took."""
    began = time.perf_counter()
    found = run(query)
    return found, time.perf_counter() - began


def _result(name: str, by_sql: tuple[float, ...], by_catalog: tuple[float, ...]) -> Result:
    sql, catalog, worst = statistics.median(by_sql), statistics.median(by_catalog), max(by_catalog)
    allowed = FACTOR * sql + ADDED_SECONDS
    return Result(
        name,
        f"{1000 * catalog:.1f} ms, worst {1000 * worst:.0f}",
        f"SQL by hand {1000 * sql:.1f} ms, worst {1000 * max(by_sql):.0f}",
        f"≤ {FACTOR} times + 10 ms = {1000 * allowed:.1f} ms, worst ≤ 400 ms",
        catalog <= allowed and (worst <= WORST_SECONDS or sql >= SLOW_SQL_SECONDS),
    )
