"""Answers: what is stored comes back, whatever it is, and large ones stay small in memory."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from catalog import json_text
from catalog.query.include import Instance
from catalog.query.schema import entities
from catalog.soap import answers
from catalog.spool import spooled

_XML_CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc"], include_characters="\t\n\r", exclude_characters="￾￿"
)


@given(st.text(_XML_CHARACTERS))
def test_text_is_read_as_it_was_written(text: str) -> None:
    found = etree.fromstring(f"<a>{answers.escaped(text)}</a>".encode())
    assert (found.text or "") == text


@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    found = etree.fromstring(f"<a>{answers.escaped(text)}</a>".encode())
    assert len(found.text or "") == len(text)


@given(st.floats())
def test_number_is_read_as_it_was_written(number: float) -> None:
    found = float(answers.lexical(number).replace("INF", "inf"))
    assert found == number or (math.isnan(found) and math.isnan(number))


@pytest.mark.parametrize(
    ("number", "text"), [(math.inf, "INF"), (-math.inf, "-INF"), (math.nan, "NaN"), (0.1, "0.1")]
)
def test_numbers_are_written_as_xml_schema_has_them(number: float, text: str) -> None:
    assert answers.lexical(number) == text


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(_XML_CHARACTERS, min_size=1, max_size=50))
def test_stored_text_comes_back(soap_root: Any, text: str) -> None:
    id = soap_root.create(
        "study", f"<description>{answers.escaped(text)}</description><name>s</name>"
    )
    query = f"SELECT s.description FROM Study s WHERE s.id = {id}"
    assert soap_root.values(query) == [text]


def test_fault_with_text_that_xml_cannot_have_is_readable() -> None:
    found = etree.fromstring(answers.fault("bad \x00 <&> \ud800", "INTERNAL", -1))
    assert found.findtext(".//faultstring") == "bad \ufffd <&> \ufffd"


_ROWS = 30_000


def _datafiles() -> Iterator[list[list[Any]]]:
    entity = entities()["Datafile"]
    row: list[Any] = [None] * len(entity.positions)
    for column in ("create_time", "mod_time"):
        row[entity.positions[column]] = datetime(2026, 1, 1, tzinfo=UTC)
    for first in range(0, _ROWS, 1000):
        page = []
        for number in range(first, first + 1000):
            row[entity.positions["id"]] = number
            row[entity.positions["name"]] = f"file {number} & more"
            page.append([Instance(entity, tuple(row))])
        yield page


@pytest.mark.slow
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda pages: answers.answer("search", answers.rows(pages)), id="XML"),
        pytest.param(json_text.rows, id="JSON"),
    ],
)
def test_memory_stays_flat_while_a_large_answer_is_made(written: Any) -> None:
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in spooled(written(_datafiles())))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 150 * _ROWS
    assert peak < 5 * 2**20


def test_answer_comes_in_pieces_that_make_one_document() -> None:
    pages = ([[number] for number in range(first, first + 1000)] for first in range(0, 20000, 1000))
    (response,) = etree.fromstring("".join(answers.answer("search", answers.rows(pages))).encode())[
        0
    ]
    assert [int(one.text) for one in response] == list(range(20_000))


def test_an_entity_that_comes_again_is_written_again() -> None:
    page = next(_datafiles())[:1] * 2
    (response,) = etree.fromstring(
        "".join(answers.answer("search", answers.rows([page]))).encode()
    )[0]
    assert [one.findtext("name") for one in response] == ["file 0 & more"] * 2
