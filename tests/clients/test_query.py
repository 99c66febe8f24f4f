"""Values become literals of the query language in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ijp.query import like_escaped, literal, query


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("o'brien", "'o''brien'"),
        ("x' or '1'='1", "'x'' or ''1''=''1'"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "TRUE"),
        (
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))),
            "{ts 2026-01-02 02:04:05}",
        ),
        (datetime(2026, 1, 2, tzinfo=UTC), "{ts 2026-01-02 00:00:00}"),
        (["a", "b"], "('a', 'b')"),
    ],
)
def test_literal(value: object, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize("value", [[], float("nan"), float("inf"), None, object()])
def test_what_has_no_literal_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        literal(value)


@given(st.text())
def test_string_literal_has_no_quote_of_its_own(value: str) -> None:
    inner = literal(value)[1:-1]
    assert inner.replace("''", "").count("'") == 0
    assert inner.replace("''", "'") == value


def test_template_is_filled_with_literals() -> None:
    made = query("SELECT d FROM Dataset d WHERE d.name = {} AND d.id IN {ids}", "a'b", ids=[1, 2])
    assert made == "SELECT d FROM Dataset d WHERE d.name = 'a''b' AND d.id IN (1, 2)"


def test_wildcards_lose_their_meaning() -> None:
    assert like_escaped("50%_!") == "50!%!_!!"
