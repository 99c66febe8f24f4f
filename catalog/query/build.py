"""What the parser makes of each rule of the grammar."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from lark import Token, Transformer_NonRecursive, v_args
from lark.tree import Meta

from catalog.model import ParameterValueType, StudyStatus
from catalog.query import tree
from catalog.query.concise import ConciseInclude, ConciseQuery, GetQuery, Related
from ijp.errors import QueryError

_ENUMS: dict[str, type[ParameterValueType] | type[StudyStatus]] = {
    f"org.icatproject.{enum.__name__}": enum for enum in (ParameterValueType, StudyStatus)
}
_TIMESTAMP = re.compile(r"\{\s*ts\s+(\d{4}-\d\d-\d\d)\s+(\d\d:\d\d:\d\d(?:\.\d{1,6})?)\s*\}", re.I)
_DIGITS = re.compile("[0-9]+")
_MAX_INTEGER = 2**63 - 1


def _at(token: Token) -> int:
    return token.start_pos or 0


def _path(token: Token) -> tree.Path:
    names = tuple(str(token).split("."))
    if "" in names:
        raise QueryError(f"{token} is not a path", _at(token))
    return tree.Path(names, at=_at(token))


def _simple(token: Token, what: str) -> str:
    if "." in token:
        raise QueryError(f"{what} {token} must not have a dot", _at(token))
    return str(token)


def _integer(token: Token) -> int:
    return _in_range(token, _at(token))


def _in_range(digits: str, at: int) -> int:
    value = int(digits) if len(digits) < 20 else _MAX_INTEGER + 1
    if value > _MAX_INTEGER:
        raise QueryError(f"{digits[:20]} is too large", at)
    return value


def _text(token: Token) -> str:
    return token[1:-1].replace("''", "'")


@v_args(inline=True, meta=True)
class Build(Transformer_NonRecursive[Token, Any]):
    """Makes our tree of the parser's, without recursion: the text may be nested deeply."""

    # Statements

    def query(self, meta: Meta, select: Any, include: Any, limit: Any) -> tree.Query:
        return tree.Query(select, include, limit, at=meta.start_pos)

    def query_limit_first(self, meta: Meta, select: Any, limit: Any, include: Any) -> tree.Query:
        return tree.Query(select, include, limit, at=meta.start_pos)

    def select(self, meta: Meta, distinct: Any, items: Any, *clauses: Any) -> tree.Select:
        sources, where, group_by, having, order_by = clauses
        return tree.Select(
            items=items,
            sources=sources,
            distinct=distinct is not None,
            where=where,
            group_by=group_by or (),
            having=having,
            order_by=order_by or (),
            at=meta.start_pos,
        )

    def items(self, meta: Meta, *items: Any) -> tuple[Any, ...]:
        return items

    sources = group_by = order_by = items

    def where(self, meta: Meta, condition: Any) -> Any:
        return condition

    having = where

    def range(self, meta: Meta, entity: Token, variable: Token) -> tree.Range | tree.Join:
        name = _simple(variable, "The variable")
        if "." in entity:
            return tree.Join(_path(entity), name, at=_at(entity))
        return tree.Range(str(entity), name, at=_at(entity))

    def join(self, meta: Meta, path: Token, variable: Token) -> tree.Join:
        return self._join(path, variable, outer=False)

    def member_range(self, meta: Meta, path: Token, variable: Token) -> tree.Join:
        return self._join(path, variable, outer=False)

    def left_join(self, meta: Meta, _left: Token, path: Token, variable: Token) -> tree.Join:
        return self._join(path, variable, outer=True)

    def _join(self, path: Token, variable: Token, *, outer: bool) -> tree.Join:
        if path.upper() == "FETCH":
            raise QueryError("JOIN FETCH is not allowed", _at(path))
        name = _simple(variable, "The variable")
        return tree.Join(_path(path), name, outer, at=_at(path))

    def order(self, meta: Meta, expression: Any, direction: Token | None) -> tree.Order:
        descending = direction is not None and direction.upper() == "DESC"
        return tree.Order(expression, descending, at=meta.start_pos)

    def include(self, meta: Meta, *steps: Any) -> tree.Include:
        if any(isinstance(step, int) for step in steps):
            if steps[0] != 1:
                raise QueryError("INCLUDE takes 1 or paths", meta.start_pos)
            if len(steps) > 1:
                message = '"INCLUDE 1" must not be followed by other things to include.'
                raise QueryError(message, steps[1].at)
            return tree.Include(one=True, at=meta.start_pos)
        return tree.Include(steps, at=meta.start_pos)

    def step_one(self, meta: Meta, one: Token) -> int:
        return _integer(one)

    def step(self, meta: Meta, path: Token, variable: Token | None) -> tree.IncludeStep:
        name = None if variable is None else _simple(variable, "The variable")
        return tree.IncludeStep(_path(path), name, at=_at(path))

    def limit(self, meta: Meta, offset: Token, count: Token) -> tree.Limit:
        most = None if count == "*" else _integer(count)
        return tree.Limit(_integer(offset), most, at=meta.start_pos)

    # Conditions

    def or_(self, meta: Meta, *members: Any) -> tree.Or:
        return tree.Or(members, at=meta.start_pos)

    def and_(self, meta: Meta, *members: Any) -> tree.And:
        return tree.And(members, at=meta.start_pos)

    def not_(self, meta: Meta, operand: Any) -> tree.Not:
        return tree.Not(operand, at=meta.start_pos)

    def comparison(self, meta: Meta, left: Any, operator: Token, right: Any) -> tree.Comparison:
        sign = "<>" if operator == "!=" else str(operator)
        return tree.Comparison(sign, left, right, at=meta.start_pos)

    def quantified(self, meta: Meta, left: Any, operator: Token, *right: Any) -> tree.Quantified:
        quantity, select = right
        sign = "<>" if operator == "!=" else str(operator)
        which = tree.Quantity.ALL if quantity.upper() == "ALL" else tree.Quantity.ANY
        return tree.Quantified(sign, left, which, select, at=meta.start_pos)

    def between(self, meta: Meta, operand: Any, no: Any, low: Any, high: Any) -> tree.Expression:
        return _unless(no, tree.Between(operand, low, high, at=meta.start_pos))

    def like(
        self, meta: Meta, operand: Any, no: Any, pattern: Any, escape: Token | None
    ) -> tree.Expression:
        character = None
        if escape is not None:
            character = _text(escape) if escape.type == "STRING" else ""
            if len(character) != 1:
                raise QueryError("ESCAPE takes one character", _at(escape))
        return _unless(no, tree.Like(operand, pattern, character, at=meta.start_pos))

    def in_list(self, meta: Meta, operand: Any, no: Any, *members: Any) -> tree.Expression:
        return _unless(no, tree.In(operand, members, at=meta.start_pos))

    def in_integers(self, meta: Meta, operand: Any, no: Any, members: Token) -> tree.Expression:
        found = tuple(
            tree.Literal(_in_range(one[0], at), at=at)
            for one in _DIGITS.finditer(members)
            for at in (_at(members) + one.start(),)
        )
        return _unless(no, tree.In(operand, found, at=meta.start_pos))

    def in_select(self, meta: Meta, operand: Any, no: Any, select: Any) -> tree.Expression:
        return _unless(no, tree.In(operand, select, at=meta.start_pos))

    def is_null(self, meta: Meta, operand: Any, no: Any) -> tree.Expression:
        return _unless(no, tree.IsNull(operand, at=meta.start_pos))

    def is_empty(self, meta: Meta, operand: Any, no: Any) -> tree.Expression:
        if not isinstance(operand, tree.Path):
            raise QueryError("IS EMPTY needs a path to a to-many relation", meta.start_pos)
        return _unless(no, tree.IsEmpty(operand, at=meta.start_pos))

    def exists(self, meta: Meta, select: Any) -> tree.Exists:
        return tree.Exists(select, at=meta.start_pos)

    # Values

    def arithmetic(self, meta: Meta, left: Any, operator: Token, right: Any) -> tree.Arithmetic:
        return tree.Arithmetic(str(operator), left, right, at=meta.start_pos)

    def negative(self, meta: Meta, _sign: Token, operand: Any) -> tree.Expression:
        value = operand.value if isinstance(operand, tree.Literal) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return tree.Literal(-value, at=meta.start_pos)
        return tree.Negative(operand, at=meta.start_pos)

    def positive(self, meta: Meta, _sign: Token, operand: Any) -> Any:
        return operand

    def parameter(self, meta: Meta, token: Token) -> tree.Parameter:
        return tree.Parameter(token[1:].lower(), at=_at(token))

    def now(self, meta: Meta, token: Token) -> tree.Now:
        return tree.Now(day=token.upper() == "CURRENT_DATE", at=_at(token))

    def aggregate(self, meta: Meta, function: Token, distinct: Any, operand: Any) -> tree.Aggregate:
        return tree.Aggregate(function.upper(), operand, distinct is not None, at=_at(function))

    def trim(self, meta: Meta, operand: Any) -> tree.Call:
        return tree.Call("TRIM", (operand,), at=meta.start_pos)

    def trim_side(self, meta: Meta, side: Any, character: Any, operand: Any) -> tree.Call:
        names = {"LEADING": "LTRIM", "TRAILING": "RTRIM"}
        function = names.get(side.upper(), "TRIM") if side is not None else "TRIM"
        if character is None:
            return tree.Call(function, (operand,), at=meta.start_pos)
        literal = tree.Literal(_text(character), at=_at(character))
        return tree.Call(function, (operand, literal), at=meta.start_pos)

    def call(self, meta: Meta, function: Token, *arguments: Any) -> tree.Call:
        given = tuple(argument for argument in arguments if argument is not None)
        return tree.Call(function.upper(), given, at=_at(function))

    def subselect(self, meta: Meta, select: Any) -> tree.Subselect:
        return tree.Subselect(select, at=meta.start_pos)

    def path(self, meta: Meta, token: Token) -> tree.Expression:
        prefix, _, constant = str(token).rpartition(".")
        if prefix not in _ENUMS:
            return _path(token)
        try:
            return tree.Literal(_ENUMS[prefix][constant], at=_at(token))
        except KeyError:
            raise QueryError(f"{prefix} has no constant {constant}", _at(token)) from None

    def literal(self, meta: Meta, token: Token) -> tree.Literal:
        return tree.Literal(_constant(token), at=_at(token))

    # Concise style and the call "get"

    def concise_query(
        self, meta: Meta, paging: Any, distinct: Any, name: Token, *rest: Any
    ) -> ConciseQuery:
        (order_by, include), condition, *related = rest
        return ConciseQuery(
            root=_path(name),
            related=(self._root(name, condition), *related),
            distinct=distinct is not None,
            order_by=order_by or (),
            include=include,
            limit=paging,
            at=meta.start_pos,
        )

    def concise_aggregate(
        self, meta: Meta, paging: Any, function: Token, distinct: Any, name: Token, *rest: Any
    ) -> ConciseQuery:
        condition, *related = rest
        return ConciseQuery(
            root=_path(name),
            related=(self._root(name, condition), *related),
            aggregate=function.upper(),
            distinct=distinct is not None,
            limit=paging,
            at=meta.start_pos,
        )

    def _root(self, name: Token, condition: Any) -> Related:
        return Related(str(name).split(".")[0], condition, at=_at(name))

    def paging(self, meta: Meta, offset: Token, count: Token | None) -> tree.Limit:
        most = None if count is None else _integer(count)
        return tree.Limit(_integer(offset), most, at=meta.start_pos)

    def paging_count(self, meta: Meta, count: Token) -> tree.Limit:
        return tree.Limit(0, _integer(count), at=_at(count))

    def concise_clauses(self, meta: Meta, order_by: Any, include: Any) -> tuple[Any, Any]:
        return order_by, include

    def concise_clauses_reversed(self, meta: Meta, include: Any, order_by: Any) -> tuple[Any, Any]:
        return order_by, include

    def concise_include(self, meta: Meta, *names: Token) -> ConciseInclude:
        if names[0].type == "INTEGER":
            if names[0] != "1":
                raise QueryError("INCLUDE takes 1 or entities", _at(names[0]))
            return ConciseInclude(one=True, at=_at(names[0]))
        steps = tuple(tree.Path((str(name),), at=_at(name)) for name in names)
        return ConciseInclude(steps, at=_at(names[0]))

    def condition(self, meta: Meta, expression: Any) -> Any:
        return expression

    def related(self, meta: Meta, name: Token, condition: Any) -> Related:
        return Related(str(name), condition, at=_at(name))

    def get(self, meta: Meta, entity: Token, variable: Any, include: Any) -> GetQuery:
        name = None if variable is None else _simple(variable, "The variable")
        return GetQuery(_simple(entity, "The entity"), name, include, at=_at(entity))


def _unless(no: Any, condition: tree.Expression) -> tree.Expression:
    return condition if no is None else tree.Not(condition, at=condition.at)


def _constant(token: Token) -> tree.Constant:
    match token.type:
        case "INTEGER":
            return _integer(token)
        case "REAL":
            return _real(token)
        case "STRING":
            return _text(token)
        case "TIMESTAMP":
            return _timestamp(token)
        case "NULL":
            return None
    return token.type == "TRUE"


def _real(token: Token) -> float:
    value = float(token)
    if math.isinf(value):
        raise QueryError(f"{token[:20]} is too large", _at(token))
    return value


def _timestamp(token: Token) -> datetime:
    try:
        found = _TIMESTAMP.fullmatch(token)
        if found is not None:
            return datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=UTC)
    except ValueError:
        pass
    message = f"{token} is not a timestamp such as {{ts 2026-01-31 12:00:00}}"
    raise QueryError(message, _at(token))
