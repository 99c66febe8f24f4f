"""The functions of the query language, each with the kinds it takes and gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Double, Integer, String, case, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from catalog.query.scope import REFUSED
from catalog.query.values import Kind, Value
from ijp.errors import QueryError

Sql = ColumnElement[Any]


class _Position(FunctionElement[int]):
    """``(text, part)``: where a part starts in a text, from 1; 0 if nowhere."""

    type = Integer()
    inherit_cache = True
    name = "position_in"


@compiles(_Position)
def _strpos(element: _Position, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(_Position, "sqlite")
def _instr(element: _Position, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


class _Largest(FunctionElement[int]):
    """The largest of some numbers, which are of one row."""

    type = Integer()
    inherit_cache = True
    name = "largest"


@compiles(_Largest)
def _greatest(element: _Largest, compiler: SQLCompiler, **options: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **options)})"


@compiles(_Largest, "sqlite")
def _max(element: _Largest, compiler: SQLCompiler, **options: Any) -> str:
    return f"max({compiler.process(element.clauses, **options)})"


# An argument that may be nested deeply stands once in the SQL: it would double at each level.


def _concat(*parts: Sql) -> Sql:
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.concat(part)
    return joined


def _whole(number: Sql, wanted: type[Integer]) -> Sql:
    """A number without its fraction; PostgreSQL's cast alone would round it."""
    whole = isinstance(number.type, Integer)
    return cast(number if whole else func.trunc(cast(number, Double())), wanted)


def _substring(text: Sql, start: Sql, length: Sql | None = None) -> Sql:
    # SQLite would count a start below 1 from the end.
    begin = _Largest(_whole(start, Integer), 1)
    if length is None:
        return func.substr(text, begin, type_=String())
    most = _Largest(_whole(length, Integer), 0)
    return func.substr(text, begin, most, type_=String())


def _locate(part: Sql, text: Sql) -> Sql:
    return _Position(text, part)


def _locate_from(part: Sql, text: Sql, start: Sql) -> Sql:
    begin = _Largest(_whole(start, Integer), 1)
    place = _Position(func.substr(text, begin, type_=String()), part)
    return case((place == 0, 0), else_=place + begin - 1)


def _trimmed(name: str) -> Callable[..., Sql]:
    return lambda *arguments: getattr(func, name)(*arguments, type_=String())


def _mod(left: Sql, right: Sql) -> Sql:
    return _whole(left, BigInteger) % func.nullif(_whole(right, BigInteger), 0)


_BELOW_ZERO = -math.ulp(0.0)
"""The number next to zero."""


def _sqrt(number: Sql) -> Sql:
    # PostgreSQL would refuse a number below zero.
    limit: Sql = cast(_BELOW_ZERO, Double())
    return func.sqrt(func.nullif(_Largest(cast(number, Double()), limit), limit))


_TEXT, _NUMBER = Kind.TEXT, Kind.NUMBER
_FUNCTIONS: dict[str, tuple[Callable[..., Sql], Kind, tuple[Kind, ...], int]] = {
    # name: (SQL, kind of the result, kinds of the arguments, how many of them must be there)
    "LOWER": (lambda text: func.lower(text, type_=String()), _TEXT, (_TEXT,), 1),
    "UPPER": (lambda text: func.upper(text, type_=String()), _TEXT, (_TEXT,), 1),
    "LENGTH": (lambda text: func.length(text, type_=Integer()), _NUMBER, (_TEXT,), 1),
    "CONCAT": (_concat, _TEXT, (_TEXT,) * 20, 2),
    "SUBSTRING": (_substring, _TEXT, (_TEXT, _NUMBER, _NUMBER), 2),
    "TRIM": (_trimmed("trim"), _TEXT, (_TEXT, _TEXT), 1),
    "LTRIM": (_trimmed("ltrim"), _TEXT, (_TEXT, _TEXT), 1),
    "RTRIM": (_trimmed("rtrim"), _TEXT, (_TEXT, _TEXT), 1),
    "LOCATE": (_locate, _NUMBER, (_TEXT, _TEXT), 2),
    "ABS": (lambda number: func.abs(number, type_=number.type), _NUMBER, (_NUMBER,), 1),
    "SQRT": (_sqrt, _NUMBER, (_NUMBER,), 1),
    "MOD": (_mod, _NUMBER, (_NUMBER, _NUMBER), 2),
}
_INTEGRAL = {"LENGTH", "LOCATE", "MOD"}


def call(name: str, arguments: list[Value], at: int) -> Value:
    """Call a function.

    Raises:
        QueryError: There is none of that name, or it takes other arguments.
    """
    if name not in _FUNCTIONS:
        raise QueryError(f"{REFUSED}there is no function {name}", at)
    if name == "LOCATE" and len(arguments) == 3:
        return _located(arguments, at)
    function, kind, kinds, least = _FUNCTIONS[name]
    if not least <= len(arguments) <= len(kinds):
        raise QueryError(f"{REFUSED}{name} does not take {len(arguments)} arguments", at)
    for argument, wanted in zip(arguments, kinds, strict=False):
        if argument.kind is not wanted:
            message = f"{REFUSED}{name} takes {wanted.value}, not {argument.kind.value}"
            raise QueryError(message, argument.at)
    integral = name in _INTEGRAL or (name == "ABS" and arguments[0].integral)
    return Value(kind, function(*(argument.sql for argument in arguments)), at, integral=integral)


def _located(arguments: list[Value], at: int) -> Value:
    *texts, start = arguments
    if start.kind is not Kind.NUMBER or not (start.constant or isinstance(start.sql, Column)):
        message = f"{REFUSED}LOCATE starts at a number or an attribute that is one"
        raise QueryError(message, start.at)
    call("LOCATE", texts, at)
    return Value(Kind.NUMBER, _locate_from(*(one.sql for one in arguments)), at, integral=True)
