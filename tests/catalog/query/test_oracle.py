"""Queries of any form give what a plain reading of the language says, on both databases."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from catalog.authz.caller import Caller
from catalog.instances import pages
from catalog.query.include import Instance
from catalog.query.parse import parse
from catalog.query.schema import entities
from catalog.query.tree import Limit, Path, Query
from tests.catalog.query.any_concise import pairs
from tests.catalog.query.any_query import queries
from tests.catalog.query.oracle import Data, Oracle, Place, Row, exact, read
from tests.catalog.query.oracle_include import brought, of_instance

ROOT = Caller("a", is_root=True)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
STAMPS = {"createId": "x", "createTime": MOMENT, "modId": "x", "modTime": MOMENT}
ORDER = (
    *("Facility", "InvestigationType", "DatasetType", "DatafileFormat", "ParameterType"),
    *("Investigation", "Sample", "Dataset", "Datafile", "DatasetParameter"),
)

World = dict[str, list[dict[str, Any]]]

_TEXT = st.sampled_from(["a", "B", "ab", "b", "aB", "é", "Z", "a%", " a ", "A"])
_SOME_TEXT = st.one_of(st.none(), st.just(""), _TEXT)
_NUMBER = st.sampled_from([None, 0, 1, 2, 3, 4])
_REAL = st.sampled_from([None, -1.5, 0.0, 0.5, 1.0, 2.25])
_MOMENT = st.one_of(st.none(), st.integers(0, 3).map(lambda day: MOMENT + timedelta(days=day)))
_FIXED: World = {
    "Facility": [{"name": "F"}],
    "InvestigationType": [{"name": "t", "facility": 1}],
    "DatasetType": [{"name": name, "facility": 1} for name in ("a", "B")],
    "DatafileFormat": [{"name": "a", "version": "1", "facility": 1}],
    "ParameterType": [
        {"name": name, "units": "u", "valueType": kind, "facility": 1}
        for name, kind in (("a", "STRING"), ("B", "NUMERIC"), ("c", "DATE_AND_TIME"))
    ],
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few investigations, samples, datasets, files and parameters."""

    def some(most: int, *, least: int = 0, **values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(st.fixed_dictionaries(values), min_size=least, max_size=most))

    def number(found: list[Any]) -> st.SearchStrategy[int]:
        return st.integers(1, len(found))

    places = some(2, least=1, name=_TEXT, summary=_SOME_TEXT, startDate=_MOMENT, fileSize=_NUMBER)
    for index, one in enumerate(places):
        one |= {"visitId": str(index), "title": "t", "facility": 1, "type": 1}
    samples = some(2, name=_TEXT, pid=_SOME_TEXT, investigation=number(places))
    datasets = some(
        4,
        least=1,
        name=_TEXT,
        description=_SOME_TEXT,
        fileSize=_NUMBER,
        startDate=_MOMENT,
        investigation=number(places),
        type=st.integers(1, 2),
        complete=st.booleans(),
        sample=st.sampled_from([None, *range(1, len(samples) + 1)]),
    )
    files = some(
        4,
        name=_TEXT,
        description=_SOME_TEXT,
        fileSize=_NUMBER,
        datafileModTime=_MOMENT,
        datafileFormat=st.sampled_from([None, 1]),
        dataset=number(datasets),
    )
    parameters = some(
        3,
        numericValue=_REAL,
        stringValue=_SOME_TEXT,
        dateTimeValue=_MOMENT,
        dataset=number(datasets),
        type=st.integers(1, 3),
    )
    return {
        **_FIXED,
        "Investigation": places,
        "Sample": _unique(samples, "investigation", "name"),
        "Dataset": _unique(datasets, "investigation", "name"),
        "Datafile": _unique(files, "dataset", "name"),
        "DatasetParameter": _unique(parameters, "dataset", "type"),
    }


def _unique(found: list[Any], *names: str) -> list[Any]:
    """All, but the names of those that may not be there twice are made others."""
    seen: set[Any] = set()
    for index, one in enumerate(found):
        key = tuple(one[name] for name in names)
        if key in seen and isinstance(one[names[-1]], str):
            one[names[-1]] += str(index)
        seen.add(key)
    return list({tuple(one[name] for name in names): one for one in reversed(found)}.values())[::-1]


def store(engine: Engine, world: World) -> None:
    """Put a world into the database instead of what was there."""
    with engine.execution_options(writes=True).begin() as connection:
        for name in reversed(ORDER):
            connection.execute(delete(entities()[name].table))
        for name in ORDER:
            if world[name]:
                made = [_row(name, id, one) for id, one in enumerate(world[name], start=1)]
                connection.execute(insert(entities()[name].table), made)


def _row(name: str, id: int, values: dict[str, Any]) -> dict[str, Any]:
    entity = entities()[name]
    row = {}
    for wire, value in {"id": id, **STAMPS, **values}.items():
        relation = entity.relations.get(wire)
        row[relation.column if relation else str(entity.attributes[wire].key)] = value
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, Instance):
        return Place(value.entity.name, value.value("id"))
    return value


def check(found: list[tuple[Any, ...]], expected: list[Row], limit: Limit | None) -> None:
    """Rows must be those that were expected, in any order only where their keys are equal."""
    offset, most = (limit.offset, limit.count) if limit else (0, None)
    end = len(expected) if most is None else min(offset + most, len(expected))
    assert len(found) == max(end - offset, 0)
    start = 0
    for _, ties in groupby(expected, key=lambda row: row.keys):
        same = [tuple(map(exact, row.values)) for row in ties]
        stop = start + len(same)
        part = found[max(start - offset, 0) : max(min(stop, end) - offset, 0)]
        assert not Counter(tuple(map(exact, row)) for row in part) - Counter(same)
        start = stop


_SETTINGS = settings(
    max_examples=int(os.environ.get("IJP_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def compare(engine: Engine, world: World, texts: list[tuple[str, str]]) -> None:
    """What queries give must be what the oracle reads in others, which mean the same."""
    store(engine, world)
    with engine.connect() as connection:
        data = read(connection, ORDER)
        oracle = Oracle(data, user="a", now=datetime.now(UTC))
        for text, meaning in texts:
            query = parse(meaning)
            found = pages(connection, ROOT, text, max_entities=100_000)
            rows = [row for page in found for row in page]
            values = [tuple(map(_plain, row)) for row in rows]
            check(values, oracle.rows(query), query.limit)
            check_included(data, rows, query)


def check_included(data: Data, rows: list[list[Any]], query: Query) -> None:
    """Entities must come with what INCLUDE says, and with nothing else."""
    item = query.select.items[0]
    for one in (value for row in rows for value in row if isinstance(value, Instance)):
        expected = {}
        if query.include is not None and isinstance(item, Path):
            expected = brought(data, _plain(one), query.include, item.names[0])
        assert of_instance(one) == expected


@pytest.mark.slow
@_SETTINGS
@given(world=worlds(), texts=st.lists(queries(), min_size=3, max_size=3))
def test_a_query_gives_what_the_language_says(module_engine, world, texts):
    compare(module_engine, world, [(text, text) for text in texts])


@pytest.mark.slow
@_SETTINGS
@given(world=worlds(), found=st.lists(pairs(), min_size=3, max_size=3))
def test_a_concise_query_gives_what_the_same_in_new_style_means(module_engine, world, found):
    compare(module_engine, world, [(one.concise, one.new) for one in found])
