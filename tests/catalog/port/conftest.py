"""Catalogs to dump, and to read dumps into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select

from catalog.authz.caller import Caller
from catalog.port import export, importing
from catalog.port.options import Attributes
from catalog.query.schema import entities
from catalog.transactions import Transactions

ROOT = Caller("simple/root", is_root=True)


@pytest.fixture
def transactions(engine_of: Callable[[str], Engine]) -> Transactions:
    """Those of an empty catalog on each database."""
    return Transactions(engine_of("catalog"))


@pytest.fixture
def load(transactions):
    """Reads lines of a dump after its version."""

    def load(*lines: str, caller: Caller = ROOT, **options: Any) -> dict[str, int]:
        text = "1.0\n\n" + "".join(line + "\n" for line in lines)
        return importing.load(transactions, caller, [text.encode()], **options)

    return load


@pytest.fixture
def dump(transactions):
    """The lines of a dump that matter."""

    def dump(
        query: str | None = None,
        *,
        caller: Caller = ROOT,
        attributes: Attributes = Attributes.USER,
        max_entities: int = 1000,
    ) -> list[str]:
        pieces = export.dump(
            transactions, caller, query=query, attributes=attributes, max_entities=max_entities
        )
        lines = b"".join(pieces).decode().split("\n")
        assert lines[1:3] == ["1.0", ""]
        assert lines[-2:] == ["# end", ""]
        return [line for line in lines[3:-2] if line]

    return dump


@pytest.fixture
def column(transactions):
    """The values of an attribute of all objects of a kind, in the order of their ids."""

    def column(entity: str, name: str) -> list[Any]:
        found = entities()[entity]
        sql = select(found.attributes[name]).order_by(found.table.c.id)
        with transactions.reading() as connection:
            return list(connection.scalars(sql))

    return column
