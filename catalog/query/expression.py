"""Values and conditions of a query in SQL; every constant becomes a bound parameter."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Select,
    String,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from catalog.query import functions, short_strings, tree
from catalog.query.one_of import MANY, one_of
from catalog.query.schema import entities
from catalog.query.scope import REFUSED, Attribute, Scope, Step
from catalog.query.tables import Source, tables_of
from catalog.query.values import Kind, Value, alike, of_column, of_literal
from ijp.errors import QueryError

Condition = ColumnElement[bool]

_COMPARE: dict[str, Callable[[Any, Any], Condition]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPUTE: dict[str, Callable[[Any, Any], ColumnElement[Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_ORDERED = (Kind.NUMBER, Kind.TEXT, Kind.MOMENT, Kind.CHOICE)


_ESCAPE = "\x01"
"""Escapes in LIKE: without one, a backslash would, but only on PostgreSQL."""


class Inner(Protocol):
    """Translates a SELECT inside another one."""

    def __call__(
        self, query: tree.Select, outer: Scope, *, extra: Extra | None = None
    ) -> tuple[Select[Any], Value]:
        """Its SQL and its one value; ``extra`` makes a further condition of that value."""


Extra = Callable[[Value], Condition]


class Expressions:
    """Translates the expressions of one SELECT."""

    def __init__(self, scope: Scope, inner: Inner, *, aggregates: bool = True) -> None:
        """``aggregates`` says whether COUNT and the like may stand here."""
        self._scope = scope
        self._inner = inner
        self._aggregates = aggregates

    # Conditions

    def condition(self, node: tree.Expression) -> Condition:
        """Translate a condition; as in SQL it does not hold where a value is missing.

        Raises:
            QueryError: A name is unknown, or values cannot be compared.
        """
        match node:
            case tree.And():
                return and_(true(), *(self.condition(member) for member in node.members))
            case tree.Or():
                return or_(false(), *(self.condition(member) for member in node.members))
            case tree.Not():
                return not_(self.condition(node.operand))
            case tree.Comparison():
                return compare(node.operator, self.value(node.left), self.value(node.right))
            case tree.Quantified():
                return self._quantified(node)
            case tree.Between():
                operand = self.value(node.operand)
                low = compare(">=", operand, self.value(node.low))
                return and_(low, compare("<=", operand, self.value(node.high)))
            case tree.Like():
                return self._like(node)
            case tree.In():
                return self._in(node)
            case tree.IsNull():
                return self.value(node.operand).sql.is_(None)
            case tree.IsEmpty():
                return not_(self._many(node.path).exists())
            case tree.Exists():
                return self._inner(node.select, self._scope)[0].exists()
        value = self.value(node)
        if value.kind is not Kind.TRUTH:
            raise QueryError(f"{REFUSED}{value.kind.value} is not a condition", node.at)
        return value.sql

    def _quantified(self, node: tree.Quantified) -> Condition:
        left = self.value(node.left)
        if node.quantity is tree.Quantity.ANY:
            found, _ = self._inner(
                node.select, self._scope, extra=lambda one: compare(node.operator, left, one)
            )
            return found.exists()
        found, _ = self._inner(
            node.select,
            self._scope,
            extra=lambda one: not_(func.coalesce(compare(node.operator, left, one), false())),
        )
        return not_(found.exists())

    def _like(self, node: tree.Like) -> Condition:
        operand, pattern = self.value(node.operand), self.value(node.pattern)
        for value in (operand, pattern):
            if value.kind is not Kind.TEXT:
                raise QueryError(f"{REFUSED}LIKE takes strings, not {value.kind.value}", value.at)
        if pattern.constant:
            text = _escaped(str(pattern.literal), node.escape)
            return operand.sql.like(literal(text, String()), escape=_ESCAPE)
        if node.escape is not None:
            raise QueryError(f"{REFUSED}ESCAPE is only for a pattern that is a string", node.at)
        return operand.sql.like(pattern.sql, escape=_ESCAPE)

    def _in(self, node: tree.In) -> Condition:
        operand = self.value(node.operand)
        if isinstance(node.members, tree.Select):
            found, member = self._inner(node.members, self._scope)
            alike(operand, member)
            return operand.sql.in_(found)
        # As one list, which costs next to nothing for each member.
        plain = _plain_constants(operand, node.members)
        if plain is not None:
            values = (of_literal(one, node.at) for one in plain)
            many = len(plain) >= MANY
            one = one_of(operand.sql, plain) if many else operand.sql.in_(plain)
            return short_strings.with_length(one, operand, values)
        members = [self.value(member) for member in node.members]
        pairs = [alike(operand, member) for member in members]
        found_in = [right for _, right in pairs if right.kind is not Kind.NOTHING]
        condition = pairs[0][0].sql.in_([right.sql for right in found_in])
        return short_strings.with_length(condition, operand, found_in)

    def _many(self, path: tree.Path, what: str = "IS EMPTY") -> Select[Any]:
        found = self._scope.find(path)
        if not isinstance(found, Step) or not found.relation.to_many:
            raise QueryError(f"{REFUSED}{what} needs a to-many relation, not {path}", path.at)
        table = self._scope.tables.names.next(entities()[found.relation.target].table)
        related = table.c[found.relation.column] == found.origin.id
        return select(table.c.id).where(related).correlate_except(table)

    # Values

    def value(self, node: tree.Expression) -> Value:
        """Translate a value.

        Raises:
            QueryError: A name is unknown, or a function or operator takes other kinds.
        """
        match node:
            case tree.Path():
                return self.path(node)
            case tree.Literal():
                return of_literal(node.value, node.at)
            case tree.Parameter():
                return self._parameter(node)
            case tree.Now():
                return self._now(node)
            case tree.Negative():
                operand = self._number(node.operand)
                return replace(operand, sql=-operand.sql, at=node.at, constant=False)
            case tree.Arithmetic():
                return self._arithmetic(node)
            case tree.Call(function="SIZE"):
                return self._size(node)
            case tree.Call():
                arguments = [self.value(argument) for argument in node.arguments]
                return functions.call(node.function, arguments, node.at)
            case tree.Aggregate():
                return self._aggregate(node)
            case tree.Subselect():
                found, value = self._inner(node.select, self._scope)
                return replace(value, sql=found.scalar_subquery(), at=node.at, constant=False)
        return Value(Kind.TRUTH, self.condition(node), node.at)

    def path(self, node: tree.Path) -> Value:
        """Translate a path to an attribute, or to an entity, whose value is its id."""
        found = self._scope.find(node)
        if isinstance(found, Attribute):
            return of_column(found.column, node.at)
        if isinstance(found, Source):
            return Value(Kind.ENTITY, found.id, node.at, source=found)
        if found.relation.to_many:
            name = found.relation.name
            raise QueryError(f"{REFUSED}'{node}' ends in to-many relation {name}", node.at)
        return Value(Kind.ENTITY, found.origin.column(found.relation.column), node.at)

    def _parameter(self, node: tree.Parameter) -> Value:
        environment = self._scope.environment
        if node.name == "user":
            return Value(Kind.TEXT, environment.user_sql(), node.at)
        if node.name in environment.numbers:
            return Value(Kind.NUMBER, environment.numbers[node.name], node.at, integral=True)
        raise QueryError(f"{REFUSED}parameter :{node.name} is not defined", node.at)

    def _now(self, node: tree.Now) -> Value:
        moment = self._scope.environment.moment_sql(day=node.day)
        return Value(Kind.MOMENT, moment, node.at)

    def _number(self, node: tree.Expression) -> Value:
        value = self.value(node)
        if value.kind is not Kind.NUMBER:
            raise QueryError(f"{REFUSED}{value.kind.value} is not a number", node.at)
        return value

    def _arithmetic(self, node: tree.Arithmetic) -> Value:
        left, right = self._number(node.left), self._number(node.right)
        integral = left.integral and right.integral and node.operator != "/"
        a, b = _exact(left.sql, integral), _exact(right.sql, integral)
        sql = _COMPUTE[node.operator](a, func.nullif(b, 0) if node.operator == "/" else b)
        return Value(Kind.NUMBER, sql, node.at, integral=integral)

    def _size(self, node: tree.Call) -> Value:
        if len(node.arguments) != 1 or not isinstance(node.arguments[0], tree.Path):
            raise QueryError(f"{REFUSED}SIZE takes a path to a to-many relation", node.at)
        many = self._many(node.arguments[0], "SIZE")
        count = many.with_only_columns(func.count(), maintain_column_froms=True)
        return Value(Kind.NUMBER, count.scalar_subquery(), node.at, integral=True)

    def _aggregate(self, node: tree.Aggregate) -> Value:
        if not self._aggregates:
            raise QueryError(f"{REFUSED}{node.function} cannot stand here", node.at)
        within = Expressions(self._scope, self._inner, aggregates=False)
        operand = within.value(node.operand)
        operand = replace(operand, sql=self._of_own_rows(operand.sql))
        sql = operand.sql.distinct() if node.distinct else operand.sql
        match node.function:
            case "COUNT":
                return Value(Kind.NUMBER, func.count(sql), node.at, integral=True)
            case "MIN" | "MAX" if operand.kind in _ORDERED:
                function = func.min if node.function == "MIN" else func.max
                # Without the type a moment would come back as the database has it.
                found = function(sql, type_=operand.sql.type)
                return replace(operand, sql=found, at=node.at, constant=False)
            case "SUM" if operand.kind is Kind.NUMBER:
                return Value(Kind.NUMBER, func.sum(sql), node.at, integral=operand.integral)
            case "AVG" if operand.kind is Kind.NUMBER:
                exact: ColumnElement[float] = cast(operand.sql, Double())
                value = func.avg(exact.distinct() if node.distinct else exact)
                return Value(Kind.NUMBER, value, node.at)
        raise QueryError(f"{REFUSED}{node.function} of {operand.kind.value}", node.at)

    def _of_own_rows(self, sql: ColumnElement[Any]) -> ColumnElement[Any]:
        """What an aggregate is of; one of outer columns alone would be the outer SELECT's."""
        if self._scope.tables.owns(sql) or not list(tables_of(sql)):
            return sql
        own = self._scope.own_column()
        # Not IS NOT NULL, which SQLite knows to be true and leaves out.
        return sql if own is None else case((own == own, sql))


def _plain_constants(
    operand: Value, members: Sequence[tree.Expression]
) -> list[tree.Constant] | None:
    """The members, if all are what the operand is, and need no reading as something else."""
    if operand.constant:
        return None
    integral = operand.kind is Kind.NUMBER and operand.integral
    wanted = int if integral else str if operand.kind is Kind.TEXT else None
    found = [one.value for one in members if isinstance(one, tree.Literal)]
    same = len(found) == len(members) and all(type(one) is wanted for one in found)
    return found if same else None


def _exact(number: ColumnElement[Any], integral: bool) -> ColumnElement[Any]:
    return cast(number, BigInteger()) if integral else cast(number, Double())


def _escaped(pattern: str, escape: str | None) -> str:
    """A pattern for LIKE with our escape character in place of its own."""
    found, characters = [], iter(pattern)
    for character in characters:
        if character == escape:
            found.append(_ESCAPE + next(characters, character))
        else:
            found.append(character.replace(_ESCAPE, _ESCAPE * 2))
    return "".join(found)


def compare(sign: str, left: Value, right: Value) -> Condition:
    """Compare two values.

    Raises:
        QueryError: They are not of one kind, or have no order.
    """
    left, right = alike(left, right)
    for value, other in ((left, right), (right, left)):
        if value.kind is Kind.NOTHING:
            if sign not in ("=", "<>"):
                raise QueryError(f"{REFUSED}NULL has no order", value.at)
            return other.sql.is_(None) if sign == "=" else other.sql.is_not(None)
    if sign not in ("=", "<>") and left.kind not in _ORDERED:
        raise QueryError(f"{REFUSED}{left.kind.value} has no order", left.at)
    condition = _COMPARE[sign](left.sql, right.sql)
    if sign == "=":
        condition = short_strings.with_length(condition, left, [right])
        condition = short_strings.with_length(condition, right, [left])
    return condition
