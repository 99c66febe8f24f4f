"""The URL of a search is the search."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from ijp.errors import BadRequestError, TooLargeError, ValidationFailedError
from portal.search import Place, Row, Search
from portal.search_query import is_subquery, root_query
from portal.searchable import OPERATORS, Kind, Operator, _vocabulary
from portal.selection import Selection, format_ids, parse_ids
from portal.subject import DATAFILES, DATASETS, SUBJECTS, Subject

TYPES = [
    {"id": 1, "name": "exposure", "units": "ms", "valueType": "NUMERIC"},
    {"id": 2, "name": "exposure", "units": "s", "valueType": "NUMERIC"},
    {"id": 3, "name": "channels", "units": "", "valueType": "NUMERIC"},
    {"id": 4, "name": "subject", "valueType": "STRING", "permissibleStringValues": []},
    {"id": 5, "name": "taken", "valueType": "DATE_AND_TIME"},
]
VOCABULARY = _vocabulary("Dataset", TYPES)


def where(*rows: Row, **more: object) -> str:
    made = root_query(Search(rows=rows, **more), VOCABULARY)  # type: ignore[arg-type]
    return made.select("found.id")


def from_url(text: str, subject: Subject = DATASETS) -> Search:
    return Search.parse(MultiDict(parse_qsl(text, keep_blank_values=True)), subject)


names = st.text(min_size=1).filter(lambda text: text.strip())
values = st.text()


@given(names, st.sampled_from(["", *(one.value for one in Operator if one != "between")]), values)
def test_a_row_is_read_from_what_was_written(name, operator, value):
    row = Row(name, operator, value)
    assert Row.parse(str(row)) == row


@given(
    st.builds(
        Search,
        subject=st.sampled_from(SUBJECTS),
        type=st.from_regex(r"[a-z]{0,8}", fullmatch=True),
        items=st.dictionaries(names, st.lists(names, min_size=1).map(tuple), max_size=2),
        rows=st.lists(
            st.builds(Row, names, st.sampled_from(["eq", "like"]), values), max_size=3
        ).map(tuple),
        columns=st.lists(names, unique=True, max_size=3).map(tuple),
        after=st.none() | st.builds(Place, st.integers(1, 10**12), st.none() | values),
        limit=st.integers(1, 500),
        incomplete=st.booleans(),
        selection=st.builds(
            Selection, st.lists(st.integers(1, 10**6), unique=True, max_size=20).map(tuple)
        ),
    )
)
def test_an_address_gives_the_same_search_again(search):
    """Rule 1 of the pages: the URL is the state."""
    assert from_url(search.query_string(), search.subject) == search


def test_a_search_for_files_is_the_same_as_far_as_it_can_be():
    search = from_url(
        "type=raw&text=a&investigation=3&dataset=4&item.A=1&p=x:eq:1&sort=x&after=9&sel=1&files=2",
        DATAFILES,
    )
    assert search.dataset == 4
    other = search.about(DATASETS)
    assert other.query_string() == "type=raw&text=a&investigation=3&sel=1&files=2"
    assert other.about(DATAFILES).query_string() == other.query_string()


@given(st.lists(st.integers(0, 300), unique=True, max_size=100))
def test_ids_survive_the_url(ids):
    assert parse_ids(format_ids(ids)) == tuple(ids)


def test_runs_of_ids_are_short():
    assert format_ids([1, 2, 3, 4, 9, 11, 12]) == "1-4,9,11,12"


@pytest.mark.parametrize("text", ["1,b", "1--2", "-1", "1;2", "9" * 30])
def test_what_is_not_ids_is_refused(text):
    with pytest.raises(BadRequestError, match="12,15-17"):
        parse_ids(text)


def test_a_range_cannot_exhaust_memory():
    with pytest.raises(TooLargeError):
        parse_ids("1-999999999999")


@pytest.mark.parametrize(
    ("row", "condition"),
    [
        (Row("channels", "eq", "3"), "p0.type.id = 3 AND p0.numericValue = 3"),
        (Row("channels", "ne", "3"), "p0.numericValue != 3"),
        (Row("channels", "lt", "2.5"), "p0.numericValue < 2.5"),
        (Row("channels", "le", "-1e3"), "p0.numericValue <= -1000.0"),
        (Row("channels", "gt", "3"), "p0.numericValue > 3"),
        (Row("channels", "ge", "3"), "p0.numericValue >= 3"),
        (Row("channels", "between", "1", "3"), "p0.numericValue BETWEEN 1 AND 3"),
        (Row("exposure [ms]", "eq", "3"), "p0.type.id = 1"),
        (Row("subject", "eq", "o'brien"), "p0.stringValue = 'o''brien'"),
        (Row("subject", "ne", "cells"), "p0.stringValue != 'cells'"),
        (Row("subject", "like", "Cell%"), "LOWER(p0.stringValue) LIKE 'cell%'"),
        (Row("dataset.fileSize", "gt", "7"), "found.fileSize > 7"),
        (
            Row("taken", "between", "2026-11-01", "2026-11-02"),
            "p0.dateTimeValue BETWEEN {ts 2026-11-01 00:00:00} AND {ts 2026-11-02 23:59:59}",
        ),
        (Row("taken", "lt", "2026-11-01T10:30"), "p0.dateTimeValue < {ts 2026-11-01 10:30:00}"),
        (Row("taken", "gt", "2026-11-01"), "p0.dateTimeValue > {ts 2026-11-01 23:59:59}"),
    ],
)
def test_each_operator_on_each_type(row, condition):
    """req. 97"""
    assert condition in where(row)


def test_operators_fit_the_type():
    """req. 97"""
    assert [*OPERATORS[Kind.STRING]] == ["eq", "ne", "like"]
    assert [*OPERATORS[Kind.NUMERIC]] == ["eq", "ne", "lt", "le", "gt", "ge", "between"]
    assert [*OPERATORS[Kind.DATE]] == ["between", "lt", "gt"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row("nosuch", "eq", "1"), "no parameter 'nosuch'"),
        (Row("exposure", "eq", "1"), r"several parameters 'exposure': write 'exposure \[ms\]'"),
        (Row("channels", "like", "1"), "channels cannot be compared by LIKE"),
        (Row("channels", "eq", "many"), "'many' is not a number"),
        (Row("channels", "eq", "inf"), "'inf' is not a number"),
        (Row("channels", "between", "1", ""), "give both ends"),
        (Row("channels", "between", "3", "1"), "3 is above 1"),
        (Row("taken", "lt", "yesterday"), "'yesterday' is not a date"),
        (Row("x' OR 1=1 --", "eq", "1"), "no parameter"),
    ],
)
def test_a_fault_is_at_its_row(row, message):
    """A value of the wrong type, an operator that does not fit, B4."""
    with pytest.raises(ValidationFailedError, match=message) as caught:
        where(Row("channels", "eq", "1"), row)
    assert list(caught.value.fields) == ["p1"]


def test_a_row_without_value_does_not_count():
    assert "numericValue" not in where(Row("channels", "ge", " "))


@given(st.text(max_size=20))
def test_no_text_leaves_its_literal(text):
    """security: no injection into queries"""
    made = where(Row("subject", "eq", text), text=text, type=text)
    bare = re.sub(r"'(?:[^']|'')*'", "", made)
    assert "'" not in bare
    if len(text) > 3 and not text.isascii():
        assert text not in bare


def test_words_are_not_patterns():
    assert "'%50!%!_a%' ESCAPE '!'" in where(text="50%_A")


@pytest.mark.parametrize(
    ("sort", "after", "condition", "order"),
    [
        ("-created", Place(7), "found.id < 7", "found.id DESC"),
        ("created", Place(7), "found.id > 7", "found.id"),
        (
            "name",
            Place(7, "o'b"),
            "(found.name > 'o''b' OR (found.name = 'o''b' AND found.id > 7))",
            "found.name, found.id",
        ),
        (
            "-channels",
            Place(7, "2.5"),
            "(sorted.numericValue < 2.5 OR (sorted.numericValue = 2.5 AND found.id < 7))",
            "sorted.numericValue DESC, found.id DESC",
        ),
    ],
)
def test_pages_begin_at_a_key(sort, after, condition, order):
    made = root_query(Search(sort=sort, after=after), VOCABULARY).select("found", limit=11)
    assert condition in made
    assert f"ORDER BY {order} LIMIT 0, 11" in made


def test_the_page_before_is_read_backwards():
    made = root_query(Search(before=Place(7)), VOCABULARY).select("found", limit=11)
    assert "found.id > 7" in made
    assert "ORDER BY found.id LIMIT" in made


def test_only_complete_datasets_unless_asked_for():
    assert "found.complete = TRUE" in where()
    assert "complete" not in where(incomplete=True)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("SELECT ds.id FROM Dataset ds WHERE ds.name = 'LIMIT 5'", True),
        ("SELECT ds.id FROM Dataset ds LIMIT 0, 5", False),
        ("SELECT ds.id FROM Dataset ds ORDER BY ds.id", False),
        ("Dataset.id [name = 'x']", False),
        ("SELECT found.id FROM Dataset found", False),
        ("SELECT ds.id FROM Dataset ds WHERE ds.createId = :user", False),
    ],
)
def test_what_can_stand_inside_another_query(text, answer):
    assert is_subquery(text) is answer
