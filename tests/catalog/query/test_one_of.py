"""Long lists of texts and integers in a condition."""

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


NUMBERS = ", ".join(str(-1_000_000 - number) for number in range(MANY))


@pytest.mark.parametrize("more", ["", f", {2**31}", f", {2**63 - 1}"])
def test_a_long_list_of_integers_gives_what_a_short_one_does(searched, more):
    ids = searched("SELECT ds.id FROM Dataset ds")
    some = f"({ids[1]}, {NUMBERS}{more}, {ids[-1]})"
    assert searched(f"SELECT ds.id FROM Dataset ds WHERE ds.id IN {some}") == [ids[1], ids[-1]]
    others = searched(f"SELECT ds.id FROM Dataset ds WHERE ds.id NOT IN {some}")
    assert others == [one for one in ids if one not in (ids[1], ids[-1])]


@pytest.mark.parametrize("condition", [f"ds.name IN ('d1', {OTHERS})", f"ds.id IN (1, {NUMBERS})"])
def test_a_long_list_is_one_parameter(searched, facility_engine, condition):
    found = []

    def note(_connection, _cursor, _statement, parameters, *_):
        found.append(len(parameters))

    event.listen(facility_engine, "before_cursor_execute", note)
    searched(f"SELECT ds FROM Dataset ds WHERE {condition}")
    event.remove(facility_engine, "before_cursor_execute", note)
    assert max(found) < MANY


def test_lists_of_other_lengths_and_texts_are_not_mixed_up(searched):
    for name in ("d1", "d2", "d3"):
        query = f"SELECT ds FROM Dataset ds WHERE ds.name IN ('{name}', {OTHERS})"
        assert searched(query) == [name]
