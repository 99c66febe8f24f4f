"""The model has what ICAT 6.2 has: every entity, attribute, relation, key, length (``data/``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Enum,
    Integer,
    String,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.orm import configure_mappers
from sqlalchemy.schema import Column

from catalog.model import ENTITIES
from catalog.model.base import SYSTEM_ATTRIBUTES, UtcDateTime, attribute_name, wire_name

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "icat_schema.json").read_text()
)


def _kind(column: Column[Any]) -> str:
    found = column.type
    if isinstance(found, Enum):
        return found.enum_class.__name__
    if isinstance(found, String):
        return f"text {found.length}"
    if isinstance(found, BigInteger):
        return "integer 64"
    kinds = {Boolean: "boolean", Integer: "integer 32", Double: "number", UtcDateTime: "moment"}
    return next(name for kind, name in kinds.items() if isinstance(found, kind))


def _described(name: str) -> dict[str, Any]:
    mapper = inspect(ENTITIES[name])
    attributes = {}
    for one in mapper.column_attrs:
        column = one.columns[0]
        if column.key in SYSTEM_ATTRIBUTES or column.foreign_keys:
            continue
        # a boolean of ICAT is never null on the wire, even where the schema says it may be
        required = not column.nullable and not isinstance(column.type, Boolean)
        attributes[wire_name(one.key)] = _kind(column) + (" required" if required else "")
    relations = {}
    for one in mapper.relationships:
        target = one.mapper.class_.__name__
        ((local, _),) = one.local_remote_pairs
        relations[wire_name(one.key)] = (
            f"many {target} by {wire_name(one.back_populates)}"
            if one.uselist
            else f"one {target}" + ("" if local.nullable else " required")
        )
    key = [wire_name(part) for part in ENTITIES[name].__key__]
    return {"key": key, "attributes": attributes, "relations": relations}


def test_there_are_exactly_the_entities_of_icat():
    assert len(SCHEMA) == 53
    assert set(ENTITIES) == set(SCHEMA)


@pytest.mark.parametrize("name", sorted(SCHEMA))
def test_entity_has_the_attributes_relations_and_key_of_icat(name):
    configure_mappers()
    expected = json.loads(json.dumps(SCHEMA[name]).replace("boolean required", "boolean"))
    assert _described(name) == expected


@pytest.mark.parametrize("name", sorted(name for name in SCHEMA if SCHEMA[name]["key"]))
def test_the_key_is_a_unique_constraint_of_the_table_in_the_same_order(name):
    mapper = inspect(ENTITIES[name])
    relations = {wire_name(one.key): one for one in mapper.relationships}
    columns = [
        next(iter(relations[part].local_columns)).key if part in relations else attribute_name(part)
        for part in SCHEMA[name]["key"]
    ]
    found = [
        [column.key for column in one.columns]
        for one in mapper.local_table.constraints
        if isinstance(one, UniqueConstraint)
    ]
    assert found == [columns]


@pytest.mark.parametrize("name", sorted(SCHEMA))
def test_every_foreign_key_has_an_index_that_begins_with_it(name):
    table = ENTITIES[name].__table__
    beginnings = {next(iter(index.columns)).key for index in table.indexes} | {
        next(iter(one.columns)).key
        for one in table.constraints
        if isinstance(one, UniqueConstraint)
    }
    assert {column.key for column in table.columns if column.foreign_keys} <= beginnings


def test_names_go_to_the_wire_and_come_back():
    for described in SCHEMA.values():
        for name in (*described["attributes"], *described["relations"]):
            assert wire_name(attribute_name(name)) == name


def test_moments_become_utc_whatever_their_zone():
    summer = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    sent = UtcDateTime().process_bind_param(summer, _Dialect())
    assert sent == datetime(2026, 7, 1, 10)  # noqa: DTZ001
    assert UtcDateTime().process_result_value(sent, _Dialect()) == datetime(
        2026, 7, 1, 10, tzinfo=UTC
    )
    assert UtcDateTime().process_bind_param(None, _Dialect()) is None


class _Dialect:
    name = "sqlite"
