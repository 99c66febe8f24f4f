"""Many texts as one, by the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, String, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Joined(FunctionElement[str]):
    """A column and the separator.

    ``func.aggregate_strings`` writes its separator into the text of the statement, which is then
    made anew each time it is run.
    """

    type = String()
    inherit_cache = True


@compiles(_Joined, "postgresql")
def _on_postgresql(element: _Joined, compiler: SQLCompiler, **options: Any) -> str:
    texts, separator = (compiler.process(one, **options) for one in element.clauses)
    return f"string_agg({texts}, {separator})"


@compiles(_Joined, "sqlite")
def _on_sqlite(element: _Joined, compiler: SQLCompiler, **options: Any) -> str:
    texts, separator = (compiler.process(one, **options) for one in element.clauses)
    return f"group_concat({texts}, {separator})"


def joined(texts: ColumnElement[str], separator: str) -> ColumnElement[str]:
    """The texts of all rows, in any order; NULL if there are none."""
    return _Joined(texts, bindparam(None, separator, String()))
