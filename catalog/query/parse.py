"""From the text of a query to its tree."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from catalog.query import concise, tree
from catalog.query.build import Build
from ijp.errors import QueryError

Tree = TypeVar("Tree", bound=tree.Node)

MAX_LENGTH = 65_536
"""The most characters of a query."""

MAX_DEPTH = 25
"""How deep a query may be nested; SQLite's parser stops soon after."""

MAX_SELECTS = 8
"""How many SELECTs may stand inside each other."""

MAX_STEPS = 50
"""The most steps of INCLUDE; each is a statement."""

_KEPT_LENGTH = 4096

_PARSER = Lark.open(
    "grammar.lark",
    rel_to=__file__,
    parser="lalr",
    start=["new_style", "concise", "get"],
    maybe_placeholders=True,
    propagate_positions=True,
)


def parse(text: str) -> tree.Query:
    """Read a query of either style: what starts with SELECT is new style.

    Raises:
        QueryError: It is no query, or it is too long or nested too deep.
    """
    return _kept(text) if len(text) <= _KEPT_LENGTH else _parsed(text)


def _parsed(text: str) -> tree.Query:
    if text.lstrip()[:6].upper() == "SELECT":
        query: tree.Query = _run("new_style", text)
        return query
    found = _run("concise", text)
    return _checked(concise.rewrite(found))


_kept = lru_cache(maxsize=512)(_parsed)


def parse_get(text: str) -> tree.Query:
    """Read what the call ``get`` takes: an entity and what to include with it.

    Raises:
        QueryError: It is not that.
    """
    found: concise.GetQuery = _run("get", text)
    if found.variable is None and found.include is not None and not found.include.one:
        return concise.rewrite_get(found)
    variable = found.variable or f"{found.entity}$"
    select = tree.Select(
        items=(tree.Path((variable,), at=found.at),),
        sources=(tree.Range(found.entity, variable, at=found.at),),
        at=found.at,
    )
    return _checked(tree.Query(select, found.include))


def _run(start: str, text: str) -> Any:
    if len(text) > MAX_LENGTH:
        raise QueryError(f"a query has at most {MAX_LENGTH} characters, this has {len(text)}")
    _refuse_odd_characters(text)
    try:
        found = Build().transform(_PARSER.parse(text, start=start))
    except UnexpectedCharacters as error:
        raise QueryError(_bad_character(text, error), error.pos_in_stream) from None
    except UnexpectedToken as error:
        raise _unexpected(start, text, error) from None
    except VisitError as error:
        raise error.orig_exc from None
    return _checked(found)


def _checked(found: Tree) -> Tree:
    for node, depth, selects in tree.walk(found):
        if depth > MAX_DEPTH or selects > MAX_SELECTS:
            raise QueryError("the query is nested too deep", node.at)
        if isinstance(node, tree.Include) and len(node.steps) > MAX_STEPS:
            raise QueryError(f"INCLUDE has at most {MAX_STEPS} steps", node.at)
    return found


def _refuse_odd_characters(text: str) -> None:
    if (at := text.find("\0")) >= 0:
        raise QueryError("a query has no NUL characters", at)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError("this is not a Unicode character", error.start) from None


def _bad_character(text: str, error: UnexpectedCharacters) -> str:
    at = error.pos_in_stream or 0
    if text[at] == "'":
        return "unterminated string"
    if text[at] == "{":
        return "unterminated timestamp"
    return f"unexpected character {text[at]!r}"


def _unexpected(start: str, text: str, error: UnexpectedToken) -> QueryError:
    found = error.token
    at_end = found.type == "$END"
    name = "end of query" if at_end else str(found)
    at = len(text) if at_end else found.start_pos
    if start == "get" and "$END" in error.accepts:
        return QueryError(f"Trailing tokens at end of query {name}...", at)
    if "$END" in error.accepts:
        return QueryError(f"No more input expected at token {name}", at)
    expected = ", ".join(sorted(error.accepts or error.expected))
    before, after = _neighbours(text, at)
    place = " ".join([*before, "<", name, ">", *after, ""])
    return QueryError(f"Expected token from types [{expected}] at token {name} in {place}", at)


def _neighbours(text: str, at: int) -> tuple[list[str], list[str]]:
    """Up to two tokens before and after the one at a place."""
    tokens: list[Token] = []
    with suppress(UnexpectedInput):
        tokens.extend(_PARSER.lex(text))
    before = [str(token) for token in tokens if (token.start_pos or 0) < at]
    after = [str(token) for token in tokens if (token.start_pos or 0) > at]
    return before[-2:], after[:2]
