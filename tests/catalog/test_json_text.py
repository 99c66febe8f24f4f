"""JSON as it is written equals what Python's own writer makes of the same values."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import json_text
from catalog.model import ParameterValueType, StudyStatus
from catalog.query.include import Instance
from catalog.query.schema import entities

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def _as_json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(
    pages=st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(st.lists(_SCALARS, min_size=width, max_size=width), min_size=1)
        )
    )
)
def test_rows_of_values_are_an_array(pages: list[list[list[Any]]]) -> None:
    rows = [[_as_json(value) for value in row] for page in pages for row in page]
    expected = [row[0] if len(row) == 1 else row for row in rows]
    assert json.loads("".join(json_text.rows(pages))) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC), '"2026-01-02T03:04:05.678Z"'),
        (datetime(1, 1, 2, tzinfo=timezone(timedelta(hours=2))), '"0001-01-01T22:00:00.000Z"'),
        (ParameterValueType.STRING, '"STRING"'),
        (StudyStatus.NEW, '"NEW"'),
        (True, "true"),
        (math.nan, "null"),
    ],
)
def test_values_that_json_has_no_form_for(value: object, text: str) -> None:
    assert list(json_text.rows([[[value]]])) == ["[" + text, "]"]


def test_what_cannot_be_written_is_a_bug() -> None:
    with pytest.raises(TypeError):
        list(json_text.rows([[[Decimal(1)]]]))


def test_an_entity_that_stands_twice_is_written_twice() -> None:
    kind = entities()["DatasetType"]
    row = [7 if name == "id" else None for name in kind.positions]
    one = Instance(kind, tuple(row))
    text = '{"DatasetType":{"id":7,"datasets":[]}}'
    assert "".join(json_text.rows([[[one], [one]]])) == f"[{text},{text}]"
    assert json_text.entity(one) == text
