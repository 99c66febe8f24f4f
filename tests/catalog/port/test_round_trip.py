"""A dump that is read into an empty catalog makes an equal catalog, whatever is in it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Double, Enum, Integer, String, insert, text

from catalog import storing
from catalog.authz.caller import Caller
from catalog.clashes import key_columns
from catalog.model import Base
from catalog.model.base import UtcDateTime
from catalog.port import export, importing
from catalog.port.options import Attributes
from catalog.port.order import EXPORT_ORDER
from catalog.query.schema import Entity, entities
from catalog.transactions import Transactions

pytestmark = pytest.mark.slow

ROOT = Caller("simple/root", is_root=True)
MOMENTS = st.datetimes(
    datetime.fromisoformat("0001-01-02"),
    datetime.fromisoformat("9999-12-30"),
    timezones=st.just(UTC),
)
_ODD = st.sampled_from("\"'\\\t\n\r\f\b\x0b\x1c\x7f\x85\u2028\ufeff,()?#{}:NULL😀ß")
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | _ODD

Row = dict[str, Any]
Content = dict[str, list[Row]]


def _value(column: Column[Any]) -> st.SearchStrategy[Any]:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        found: st.SearchStrategy[Any] = MOMENTS
    elif isinstance(kind, Enum):
        assert kind.enum_class
        found = st.sampled_from(list[enum.Enum](kind.enum_class))
    elif isinstance(kind, Boolean):
        found = st.booleans()
    elif isinstance(kind, Double):
        found = st.floats(allow_nan=False, allow_infinity=False)
    elif isinstance(kind, Integer):
        most = 2**31 - 1 if kind.__class__ is Integer else 2**63 - 1
        found = st.integers(-most, most)
    else:
        assert isinstance(kind, String)
        found = st.text(_CHARACTERS, max_size=min(kind.length or 8, 8))
    return st.none() | found if column.nullable else found


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Up to three objects of any kind, with ids from 1 on, that refer to each other."""
    made: Content = {}
    for name in EXPORT_ORDER:
        entity = entities()[name]
        made[name] = []
        for _ in range(draw(st.integers(0, 3))):
            row = _row(draw, entity, made)
            if row is not None and _key(entity, row) not in [
                _key(entity, one) for one in made[name]
            ]:
                made[name].append({"id": len(made[name]) + 1, **row})
    return made


def _key(entity: Entity, row: Row) -> object:
    return [row[one] for one in key_columns(entity)] or object()


def _row(draw: st.DrawFn, entity: Entity, made: Content) -> Row | None:
    row: Row = {}
    for relation in entity.to_one():
        ids: list[int | None] = [one["id"] for one in made[relation.target]]
        if entity.table.c[relation.column].nullable:
            ids.append(None)
        if not ids:
            return None
        row[relation.column] = draw(st.sampled_from(ids))
    for name, column in entity.attributes.items():
        if name != "id":
            row[column.key] = draw(_value(column))
    return row | _sound(draw, entity)


def _sound(draw: st.DrawFn, entity: Entity) -> Row:
    """Values that must fit each other."""
    if entity.name == "Rule":
        return {
            "what": draw(st.sampled_from(["Rule", "User [name = 'a\\''\"']"])),
            "crud_flags": draw(st.sampled_from(["R", "CRUD"])),
        }
    if entity.name == "PublicStep":
        return draw(
            st.sampled_from(
                [
                    {"origin": "Dataset", "field": "datafiles"},
                    {"origin": "Investigation", "field": "datasets"},
                ]
            )
        )
    if entity.name == "ParameterType":
        names = [str(one.key) for one in entity.table.columns]
        flags = [one for one in names if one.startswith("applicable_to")]
        return {"enforced": False} | dict.fromkeys(flags, True)
    return {}


def _empty(transactions: Transactions) -> None:
    names = [table.name for table in Base.metadata.sorted_tables]
    with transactions.writing() as connection:
        if transactions.engine.dialect.name == "postgresql":
            listed = ", ".join(f'"{name}"' for name in names)
            connection.execute(text(f"TRUNCATE {listed} RESTART IDENTITY"))
            return
        for name in [*reversed(names), "sqlite_sequence"]:
            connection.execute(text(f'DELETE FROM "{name}"'))


def _fill(transactions: Transactions, content: Content) -> None:
    with transactions.writing() as connection:
        for name, rows in content.items():
            if rows:
                connection.execute(insert(entities()[name].table), rows)


def _dump(transactions: Transactions) -> bytes:
    pieces = export.dump(transactions, ROOT, query=None, attributes=Attributes.ALL, max_entities=1)
    return b"".join(pieces)


def _pieces(whole: bytes, size: int) -> Iterator[bytes]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def _stored(transactions: Transactions) -> Content:
    with transactions.reading() as connection:
        return {
            name: [
                dict(row)
                for row in connection.execute(
                    entity.table.select().order_by(entity.table.c.id)
                ).mappings()
            ]
            for name, entity in entities().items()
        }


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(content=contents(), size=st.integers(1, 5000))
def test_a_catalog_is_equal_after_export_and_import(module_engine, monkeypatch, content, size):
    monkeypatch.setattr(storing, "FEW", 0)
    transactions = Transactions(module_engine)
    _empty(transactions)
    _fill(transactions, content)
    dumped, before = _dump(transactions), _stored(transactions)
    _empty(transactions)
    importing.load(transactions, ROOT, _pieces(dumped, size), attributes=Attributes.ALL)
    assert _dump(transactions) == dumped
    assert _stored(transactions) == before


def test_every_entity_comes_after_what_it_refers_to():
    assert sorted(EXPORT_ORDER) == sorted(entities())
    seen: set[str] = set()
    for name in EXPORT_ORDER:
        assert {one.target for one in entities()[name].to_one()} <= seen
        seen.add(name)
