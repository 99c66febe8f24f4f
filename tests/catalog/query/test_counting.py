"""Counts that need not look at the table of what they count."""

from __future__ import annotations

import pytest

from catalog.query.counting import without_table
from catalog.query.parse import parse

PARAMETERS = "SELECT COUNT(ds) FROM Dataset ds JOIN ds.parameters p"


def _changed(query):
    select = parse(query).select
    return without_table(select) != select


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (PARAMETERS, 7),
        ("SELECT COUNT(DISTINCT ds) FROM Dataset ds JOIN ds.parameters p", 4),
        (f"{PARAMETERS} WHERE p.numericValue > 2", 3),
        (f"{PARAMETERS} JOIN p.type t WHERE t.units = 'px'", 4),
        (f"{PARAMETERS} JOIN ds.datafiles df WHERE df.fileSize = 20", 3),
        (f"{PARAMETERS}, ds.parameters q WHERE p.type.name = 'size' AND q.type.name = 'kind'", 2),
        ("SELECT COUNT(ds) FROM Dataset DS JOIN dS.parameters p", 7),
    ],
)
def test_what_is_joined_is_counted(searched, query, count):
    assert _changed(query)
    assert searched(query) == [count]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("SELECT COUNT(ds) FROM Dataset ds", 6),
        ("SELECT COUNT(p) FROM Dataset ds JOIN ds.parameters p", 7),
        ("SELECT COUNT(ds.name) FROM Dataset ds JOIN ds.parameters p", 7),
        (f"{PARAMETERS} WHERE ds.complete = TRUE", 5),
        (f"{PARAMETERS} JOIN ds.investigation i WHERE i.name = 'inv1'", 1),
        (f"{PARAMETERS} LEFT JOIN ds.datafiles df", 10),
        ("SELECT COUNT(ds) FROM Dataset ds LEFT JOIN ds.parameters p", 9),
        # a dataset need not have a sample
        ("SELECT COUNT(s) FROM Sample s JOIN s.datasets ds", 1),
        (f"{PARAMETERS} WHERE EXISTS (SELECT df FROM ds.datafiles df)", 4),
    ],
)
def test_what_needs_the_table_stays(searched, query, count):
    assert not _changed(query)
    assert searched(query) == [count]


@pytest.mark.parametrize("rest", ["JOIN ds.parameters ds", "JOIN ds.parameters p, Dataset ds"])
def test_a_variable_that_is_there_twice_is_refused_as_before(rest):
    assert not _changed(f"SELECT COUNT(ds) FROM Dataset ds {rest}")
