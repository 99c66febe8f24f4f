"""Conditions of options: ``numChannels == 3 && numHdfFiles > 500``, parsed once, asked often.

The text goes through a grammar of ours into a tree of Python's syntax, which simpleeval evaluates
with operators of ours and without functions. The text itself is never evaluated.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from ijp.errors import BadRequestError
from jobdefs import evaluation

Value: TypeAlias = int | float | str | bool | datetime | None
"""What a named quantity can be; None is ``null``."""

MAX_LENGTH = 10_000
MAX_DEPTH = 100
_LARGEST_INTEGER = 2**63

_OPERATORS: dict[str, type[ast.operator | ast.cmpop]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "%": ast.Mod,
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}

_ADVICE = [
    (re.compile(r"<>"), "write !="),
    (re.compile(r"=(?!=)"), "write == to compare"),
    (re.compile(r"&(?!&)|and\b", re.I), "write && for and"),
    (re.compile(r"\|(?!\|)|or\b", re.I), "write || for or"),
    (re.compile(r"not\b", re.I), "write ! for not"),
    (re.compile(r'"'), "write texts in single quotes"),
    (re.compile(r"'"), "a text ends with a single quote; one inside is written twice"),
    (re.compile(r"\)"), "no ( belongs to it"),
    (re.compile(r"[<>!=]=?"), "a comparison has two sides; join comparisons with &&"),
]


class ConditionError(BadRequestError):
    """A condition that cannot be read, or has no answer for these quantities.

    Attributes:
        at: The 0-based character position in the text; None when it is about the whole.
    """

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(f"{message} (at character {at})" if at is not None else message)
        self.at = at


class Condition:
    """A condition that can be asked again and again, from several threads.

    Attributes:
        text: As it was written.
        names: The quantities that it needs.
    """

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str, tree: ast.expr, names: frozenset[str]) -> None:
        self.text = text
        self.names = names
        self._tree = tree

    def __repr__(self) -> str:
        return f"Condition({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def holds(self, quantities: Mapping[str, Value]) -> bool:
        """Say whether it is true for these quantities.

        Raises:
            ConditionError: A name is unknown (even where its value would not matter), null or a
                text was ordered or calculated with, or an integer was divided by zero.
        """
        if not self.names <= quantities.keys():
            unknown = sorted(self.names - quantities.keys())
            raise ConditionError(f"there is no quantity {' or '.join(map(repr, unknown))}")
        try:
            return evaluation.truth(self._tree, quantities)
        except evaluation.UnfitError as error:
            raise ConditionError(str(error), error.at) from None


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConditionError: It is not a condition; says where.
    """
    if not text.strip():
        raise ConditionError("the condition is empty")
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"the condition has {len(text)} characters, over {MAX_LENGTH}")
    try:
        part: _Part = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    part = _claim(part)
    names = frozenset(node.id for node in ast.walk(part.tree) if isinstance(node, ast.Name))
    return Condition(text, part.tree, names)


@cache
def _parser() -> Lark:
    grammar = files("jobdefs").joinpath("condition.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", transformer=_Builder())


def _syntax_error(text: str, error: UnexpectedInput) -> ConditionError:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return ConditionError("the condition ends too early", len(text.rstrip()))
    at = error.pos_in_stream or 0
    found = str(error.token) if isinstance(error, UnexpectedToken) else text[at]
    if text[max(at - 1, 0) : at + 1] == "<>":
        found, at = "<>", at - 1
    advice = next((advice for pattern, advice in _ADVICE if pattern.match(text, at)), "")
    if advice.startswith("a text ends") and not isinstance(error, UnexpectedCharacters):
        advice = ""
    return ConditionError(f"did not expect {found!r} here{': ' + advice if advice else ''}", at)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a condition: a claim is true or false, anything else is a value.

    ``either`` is for True and False, which may stand for both.
    """

    tree: ast.expr
    at: int
    depth: int = 1
    claim: bool = False
    either: bool = False


def _claim(part: _Part) -> _Part:
    if part.claim or part.either:
        return part
    if isinstance(part.tree, ast.Name):
        what = part.tree.id
        if what.lower() in ("true", "false"):
            raise ConditionError(f"write {what.capitalize()}, not {what}", part.at)
        raise ConditionError(f"{what} alone is not a condition: compare it with something", part.at)
    raise ConditionError("a value is not a condition: compare it with something", part.at)


def _value(part: _Part, *, or_truth: bool = False) -> _Part:
    if part.claim or (part.either and not or_truth):
        raise ConditionError("a value was expected here, not something true or false", part.at)
    return part


@v_args(inline=True)
class _Builder(Transformer[Token, _Part]):
    """Builds the tree from its leaves, so that nothing recurses however deep the text nests."""

    def either(self, *parts: _Part) -> _Part:
        return self._joined(ast.Or(), parts)

    def both(self, *parts: _Part) -> _Part:
        return self._joined(ast.And(), parts)

    def _joined(self, operator: ast.boolop, parts: tuple[_Part, ...]) -> _Part:
        tree = ast.BoolOp(operator, [_claim(part).tree for part in parts])
        return _over(tree, parts[0].at, *parts, claim=True)

    def negated(self, sign: Token, part: _Part) -> _Part:
        return _over(ast.UnaryOp(ast.Not(), _claim(part).tree), _at(sign), part, claim=True)

    def compared(self, left: _Part, sign: Token, right: _Part) -> _Part:
        equality = sign in ("==", "!=")
        sides = [_value(side, or_truth=equality).tree for side in (left, right)]
        tree = ast.Compare(sides[0], [_OPERATORS[sign]()], [sides[1]])  # type: ignore[list-item]
        return _over(tree, left.at, left, right, claim=True, sign_at=_at(sign))

    def calculated(self, left: _Part, sign: Token, right: _Part) -> _Part:
        operator: Any = _OPERATORS[sign]()
        tree = ast.BinOp(_value(left).tree, operator, _value(right).tree)
        return _over(tree, left.at, left, right, sign_at=_at(sign))

    def minus(self, sign: Token, part: _Part) -> _Part:
        return _over(ast.UnaryOp(ast.USub(), _value(part).tree), _at(sign), part)

    def parenthesis(self, left: Token, part: _Part) -> _Part:
        return _over(part.tree, _at(left), part, claim=part.claim, either=part.either)

    def null(self, token: Token) -> _Part:
        return _constant(None, token)

    def true(self, token: Token) -> _Part:
        return _Part(ast.Constant(True), _at(token), either=True)

    def false(self, token: Token) -> _Part:
        return _Part(ast.Constant(False), _at(token), either=True)

    def name(self, token: Token) -> _Part:
        return _Part(ast.Name(str(token), ast.Load()), _at(token))

    def string(self, token: Token) -> _Part:
        return _constant(token[1:-1].replace("''", "'"), token)

    def real(self, token: Token) -> _Part:
        number = float(token)
        if math.isinf(number):
            raise ConditionError(f"{token} is too large", _at(token))
        return _constant(number, token)

    def integer(self, token: Token) -> _Part:
        # The largest one over is the smallest negative one's digits.
        if len(token.lstrip("0")) > 19 or int(token) > _LARGEST_INTEGER:
            raise ConditionError(f"{token[:24]} is too large for a 64-bit integer", _at(token))
        return _constant(int(token), token)


def _at(token: Token) -> int:
    return token.start_pos or 0


def _constant(value: Value, token: Token) -> _Part:
    return _Part(ast.Constant(value), _at(token))  # type: ignore[arg-type]


def _over(
    tree: ast.expr,
    at: int,
    *parts: _Part,
    claim: bool = False,
    either: bool = False,
    sign_at: int | None = None,
) -> _Part:
    depth = 1 + max(part.depth for part in parts)
    if depth > MAX_DEPTH:
        raise ConditionError(f"the condition nests more than {MAX_DEPTH} levels", at)
    if sign_at is not None:
        tree.col_offset = sign_at
    return _Part(tree, at, depth, claim, either)
