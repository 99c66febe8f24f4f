"""That a text is one of many, which are one parameter of the statement and not one each."""

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


class _Texts(TypeDecorator[Sequence[object]]):
    """Texts as the driver takes them: an array, or JSON on SQLite."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Sequence[object] | None, dialect: Dialect) -> Any:
        texts = list(value or ())
        return json.dumps(texts) if dialect.name == "sqlite" else texts


class _OneOf(FunctionElement[bool]):
    """A column and the parameter with the texts."""

    type = Boolean()
    inherit_cache = True


@compiles(_OneOf, "postgresql")
def _on_postgresql(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    own, texts = (compiler.process(one, **options) for one in element.clauses)
    return f"({own} = ANY ({texts}))"


@compiles(_OneOf, "sqlite")
def _on_sqlite(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    own, texts = (compiler.process(one, **options) for one in element.clauses)
    return f"({own} IN (SELECT value FROM json_each({texts})))"  # noqa: S608  # no value is in it


def one_of(own: ColumnElement[Any], texts: Sequence[object]) -> ColumnElement[bool]:
    """Whether a text is one of these; as with IN unknown where it is missing."""
    return _OneOf(own, bindparam(None, texts, _Texts()))
