"""That a value is one of many, which are one parameter of the statement and not one each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, TypeDecorator, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

MANY = 20
"""From how many on this is less work than a list of parameters."""


class _Values(TypeDecorator[Sequence[object]]):
    """Texts or integers as the driver takes them: an array, or JSON on SQLite."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Sequence[object] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return json.dumps(values) if dialect.name == "sqlite" else values


class _OneOf(FunctionElement[bool]):
    """A column and the parameter with the values."""

    type = Boolean()
    inherit_cache = True


@compiles(_OneOf, "postgresql")
def _on_postgresql(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    own, values = (compiler.process(one, **options) for one in element.clauses)
    return f"({own} = ANY ({values}))"


@compiles(_OneOf, "sqlite")
def _on_sqlite(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    own, values = (compiler.process(one, **options) for one in element.clauses)
    return f"({own} IN (SELECT value FROM json_each({values})))"  # noqa: S608  # no value is in it


def one_of(own: ColumnElement[Any], values: Sequence[object]) -> ColumnElement[bool]:
    """Whether a text or integer is one of these; as with IN unknown where it is missing."""
    return _OneOf(own, bindparam(None, values, _Values()))
