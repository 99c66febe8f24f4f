"""Evaluates the trees of conditions: simpleeval with the operators of the condition language."""

from __future__ import annotations

import ast
import math
import operator
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from simpleeval import SimpleEval

_BOUND = 2**63


class UnfitError(Exception):
    """An operator does not go with these values; ``at`` is where the operator stands."""

    at: int | None = None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _described(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value)
        case str():
            return f"the text {value[:40]!r}"
        case datetime():
            return f"the date {value.isoformat()}"
    return str(value)


def _of_numbers(sign: str, calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(left: Any, right: Any) -> Any:
        for value in (left, right):
            if not _is_number(value):
                raise UnfitError(f"{sign} is for numbers, not for {_described(value)}")
        return calculate(left, right)

    return run


def _equal(left: Any, right: Any) -> bool:
    """Numbers by value, whatever their types; otherwise only the same type can be equal."""
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _integer(value: int) -> int:
    if not -_BOUND <= value < _BOUND:
        raise UnfitError("the result is too large for a 64-bit integer")
    return value


def _arithmetic(calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int):
            return _integer(calculate(left, right))
        return calculate(float(left), float(right))

    return run


def _truncated(left: int, right: int) -> int:
    if right == 0:
        raise UnfitError("an integer cannot be divided by zero")
    quotient = abs(left) // abs(right)
    return _integer(quotient if (left < 0) == (right < 0) else -quotient)


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return _truncated(left, right)
    if right != 0:
        return float(left) / float(right)
    # IEEE 754, as conditions have always meant it for reals.
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return left - right * _truncated(left, right)
    if right == 0 or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


def _negated(value: Any) -> Any:
    if not _is_number(value):
        raise UnfitError(f"- is for numbers, not for {_described(value)}")
    return -value


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Eq: _equal,
    ast.NotEq: lambda left, right: not _equal(left, right),
    ast.Lt: _of_numbers("<", operator.lt),
    ast.LtE: _of_numbers("<=", operator.le),
    ast.Gt: _of_numbers(">", operator.gt),
    ast.GtE: _of_numbers(">=", operator.ge),
    ast.Add: _of_numbers("+", _arithmetic(operator.add)),
    ast.Sub: _of_numbers("-", _arithmetic(operator.sub)),
    ast.Mult: _of_numbers("*", _arithmetic(operator.mul)),
    ast.Div: _of_numbers("/", _divide),
    ast.Mod: _of_numbers("%", _remainder),
    ast.USub: _negated,
    ast.Not: operator.not_,
}

_NODES = (ast.BoolOp, ast.UnaryOp, ast.Compare, ast.BinOp, ast.Name, ast.Constant)


class _Evaluator(SimpleEval):  # type: ignore[misc]
    """Knows only what conditions are made of, and where an operator stood that failed."""

    nodes: dict[type[ast.AST], Callable[[Any], Any]]

    def __init__(self) -> None:
        super().__init__(operators=_OPERATORS, functions={}, names={})
        self.nodes = {kind: self.nodes[kind] for kind in _NODES}
        for kind in (ast.Compare, ast.BinOp):
            self.nodes[kind] = _located(self.nodes[kind])


def _located(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(node: ast.Compare | ast.BinOp) -> Any:
        try:
            return handler(node)
        except UnfitError as error:
            if error.at is None:
                error.at = node.col_offset
            raise

    return run


_local = threading.local()


def truth(tree: ast.expr, quantities: Mapping[str, Any]) -> bool:
    """Evaluate a tree whose names are all among the quantities.

    Raises:
        UnfitError: An operator does not go with the values.
    """
    evaluator = getattr(_local, "evaluator", None)
    if evaluator is None:
        # One for each thread: it keeps the names, and is slow to make.
        evaluator = _local.evaluator = _Evaluator()
    evaluator.names = quantities
    return bool(evaluator.eval("", previously_parsed=tree))
