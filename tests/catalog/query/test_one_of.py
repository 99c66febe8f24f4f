"""Long lists of texts in a condition."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from catalog.query.one_of import MANY

OTHERS = ", ".join(f"'n''{number} \"%:x\\'" for number in range(MANY))


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("ds.name IN ('d1', {}, 'd4')", ["d1", "d4"]),
        ("ds.name NOT IN ('d1', {}, 'd4')", ["d0", "d2", "d3", "d5"]),
        ("ds.complete = TRUE AND ds.name IN ('d1', {}, 'd4')", ["d1"]),
        ("ds.complete = TRUE OR ds.name IN ('d1', {}, 'd4')", ["d1", "d3", "d4", "d5"]),
        # where there is no text it is unknown
        ("ds.description IN ('50%_off', {})", ["d2"]),
        ("ds.description NOT IN ('50%_off', {})", []),
        ("UPPER(ds.name) IN ('D1', {})", ["d1"]),
        ("ds.name IN ({})", []),
        ("EXISTS (SELECT p FROM ds.parameters p WHERE p.stringValue IN ('K2', {}))", ["d2"]),
        ("ds.sample.name IN ('Gold', {})", ["d0"]),
    ],
)
def test_a_long_list_gives_what_a_short_one_does(searched, condition, names):
    assert searched(f"SELECT ds FROM Dataset ds WHERE {condition.format(OTHERS)}") == names


def test_a_long_list_is_one_parameter(searched, facility_engine):
    found = []

    def note(_connection, _cursor, _statement, parameters, *_):
        found.append(len(parameters))

    event.listen(facility_engine, "before_cursor_execute", note)
    searched(f"SELECT ds FROM Dataset ds WHERE ds.name IN ('d1', {OTHERS})")
    event.remove(facility_engine, "before_cursor_execute", note)
    assert max(found) < MANY


def test_lists_of_other_lengths_and_texts_are_not_mixed_up(searched):
    for name in ("d1", "d2", "d3"):
        query = f"SELECT ds FROM Dataset ds WHERE ds.name IN ('{name}', {OTHERS})"
        assert searched(query) == [name]
