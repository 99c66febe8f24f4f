"""Search lists: read from XML, and filled without a way into the query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ijp.errors import ValidationFailedError
from jobdefs.search_items import ListOption, SearchItem, fill, read_search_items


def item(query, *values, multiple=True):
    options = tuple(ListOption(value, value) for value in values)
    return SearchItem("p", query, multiple_select=multiple, list_options=options)


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        ("x IN (${stringValues})", ["a", "b"], "x IN ('a', 'b')"),
        ("x IN (${stringValues})", ["o'brien", ""], "x IN ('o''brien')"),
        ("x IN (${numericValues})", ["1", "-2.50", "1e3"], "x IN (1, -2.5, 1000.0)"),
        (
            "x IN (${dateValues})",
            ["2026-01-31", "{ts 2026-01-31 14:05:00}", "2026-01-31T14:05:00+02:00"],
            "x IN ({ts 2026-01-31 00:00:00}, {ts 2026-01-31 14:05:00}, {ts 2026-01-31 12:05:00})",
        ),
        ("t = '${datasetType}' AND ${stringValues}", ["a"], "t = 'it''s' AND 'a'"),
        ("t = ${datasetType} AND ${stringValues}", ["a"], "t = 'it''s' AND 'a'"),
        ("t LIKE '%''${datasetType}%' AND ${stringValues}", ["a"], "t LIKE '%''it''s%' AND 'a'"),
        ("id = ${datasetId} AND ${stringValues}", ["a"], "id = 7 AND 'a'"),
        ("id = '${datasetId}' AND ${stringValues}", ["a"], "id = '7' AND 'a'"),
        ("${stringValues} ${datasetType}", ["${datasetId}"], "'${datasetId}' 'it''s'"),
    ],
)
def test_placeholders_become_literals(query, values, expected):
    """ijp-spec §1.3, B4, security 13."""
    assert fill(item(query), values, dataset_type="it's", dataset_id=7) == expected


def test_nothing_chosen_does_not_narrow_the_search():
    assert fill(item("${stringValues}"), []) is None
    assert fill(item("${stringValues}"), ["", ""]) is None


@pytest.mark.parametrize(
    ("found", "values", "message"),
    [
        (item("${stringValues}", "a", "b"), ["c"], "p: 'c' is not in its list"),
        (item("${stringValues}", "a"), ["a' OR '1'='1"], "p: \"a' OR '1'='1\" is not in"),
        (item("${stringValues}", multiple=False), ["a", "b"], "p: only one value may be chosen"),
        (item("${numericValues}"), ["1) OR (1=1"], "p: '1) OR (1=1' is not a number"),
        (item("${numericValues}"), ["nan"], "p: 'nan' is not a number"),
        (item("${numericValues}"), ["1e999"], "p: '1e999' is not a number"),
        (item("${dateValues}"), ["yesterday"], "p: 'yesterday' is not a date such as 2026-01-31"),
        (item("${dateValues}"), ["{ts 2026}) OR (1=1"], "p: '{ts 2026}) OR (1=1' is not a date"),
        (item("${datasetType}"), ["a"], "p: its query needs ${datasetType}"),
        (item("${datasetId}"), ["a"], "p: its query needs ${datasetId}"),
    ],
)
def test_what_does_not_fit_is_refused(found, values, message):
    """B4, security 13."""
    with pytest.raises(ValidationFailedError) as caught:
        fill(found, values)
    assert caught.value.message.startswith(message)
    assert list(caught.value.fields) == ["p"]


@given(st.lists(st.text(min_size=1), min_size=1), st.text())
def test_no_text_leaves_its_literal(values, dataset_type):
    """B4, security 13: whatever is chosen, the query has the literals and nothing else."""
    query = fill(item("${stringValues}|'${datasetType}'"), values, dataset_type=dataset_type)
    assert query is not None
    rest, position = [], 0
    while position < len(query):
        if query[position] != "'":
            rest.append(query[position])
            position += 1
            continue
        position += 1
        while query[position] != "'" or query[position + 1 : position + 2] == "'":
            position += 1 + (query[position] == "'")
        position += 1
    assert "".join(rest) == ", " * (len(values) - 1) + "|"


def read(write, text):
    items, problems = read_search_items(write("dataset_search_items.xml", text))
    return items, [(one.severity.value, one.line, one.message) for one in problems]


XML = """<searchItems>
  <searchItem multipleSelect="true" visibleItemCount="3">
    <paramName>Instrument</paramName>
    <query>
      SELECT ds.id FROM Dataset ds WHERE ds.name IN (${stringValues})
    </query>
    <listOptions><displayValue>Any</displayValue><submitValue/></listOptions>
    <listOptions><displayValue>First</displayValue><submitValue> I 1</submitValue></listOptions>
  </searchItem>
</searchItems>"""


@pytest.mark.parametrize(
    "text",
    [
        XML,
        XML.replace(' multipleSelect="true" visibleItemCount="3"', "").replace(
            "<paramName>",
            "<multipleSelect>true</multipleSelect><visibleItemCount>3</visibleItemCount><paramName>",
        ),
    ],
)
def test_an_item_is_read(write, text):
    """ijp-spec §1.3, req. 95; what is not text may be an attribute or an element."""
    items, problems = read(write, text)
    assert problems == []
    assert items == (
        SearchItem(
            "Instrument",
            "SELECT ds.id FROM Dataset ds WHERE ds.name IN (${stringValues})",
            True,
            3,
            (ListOption("Any", ""), ListOption("First", " I 1")),
            line=2,
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "problem", "kept"),
    [
        ("paramName>", "name>", ("error", 2, "<searchItem> has no <paramName>"), 0),
        (
            "${stringValues}",
            "${stringvalues}",
            ("error", 2, "query of 'Instrument': ${stringvalues} means nothing"),
            0,
        ),
        (
            "${stringValues}",
            "'${stringValues}'",
            ("error", 2, "query of 'Instrument' has ${stringValues} in quotes"),
            0,
        ),
        (
            "${stringValues}",
            "1",
            ("warning", 2, "query of 'Instrument' does not depend on what is chosen"),
            1,
        ),
        ('"3"', '"many"', ("error", 2, "visibleItemCount 'many' is not a whole number"), 1),
        ("<displayValue>Any</displayValue>", "", ("warning", 7, "<listOptions> has no"), 1),
        ('"true"', '"yes"', ("error", 2, "multipleSelect='yes' is neither true nor false"), 1),
    ],
)
def test_odd_items_are_reported(write, old, new, problem, kept):
    items, problems = read(write, XML.replace(old, new))
    assert len(items) == kept
    severity, line, message = problems[-1]
    assert (severity, line) == problem[:2]
    assert message.startswith(problem[2])
