"""Search and get, with their results as they were found: entities and values, not yet as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.authz.caller import Caller, Executor
from catalog.authz.rules import Access, Rights
from catalog.query.include import Instance
from catalog.query.parse import parse, parse_get
from catalog.query.run import Search
from catalog.query.tree import Range
from catalog.values import LARGEST_ID
from ijp.errors import NotAuthorizedError, NotFoundError

Pages = Iterator[list[list[Any]]]
"""Some rows at a time; a row has a member for each value that is selected."""


def search_for(executor: Executor, caller: Caller, max_entities: int) -> Search:
    """What runs queries as the caller."""
    rights = Rights(executor, caller)
    return Search(executor, rights.environment, rights.visible(Access.READ), max_entities)


def pages(executor: Executor, caller: Caller, query: str, *, max_entities: int) -> Pages:
    """Run a query of either style: one statement, and for each page one for each step of INCLUDE.

    Raises:
        QueryError: ICAT's BAD_PARAMETER: the query cannot be understood or names unknown things.
        ValidationFailedError: More rows and included entities than ``max_entities``.
    """
    return search_for(executor, caller, max_entities).pages(parse(query))


def find(executor: Executor, caller: Caller, query: str, id: int, *, max_entities: int) -> Instance:
    """One entity by id; the query is ``Dataset``, with INCLUDE if wanted.

    Raises:
        NotFoundError: There is none with this id.
        NotAuthorizedError: The caller may not read it.
        QueryError: The query is wrong.
    """
    tree = parse_get(query)
    (source,) = tree.select.sources
    assert isinstance(source, Range)
    known = 0 < id <= LARGEST_ID
    found = search_for(executor, caller, max_entities).one(tree, id) if known else None
    if found is not None:
        return found
    everything = Rights(executor, Caller(caller.name, is_root=True))
    if not known or not everything.permitted(Access.READ, source.entity, [id]):
        raise NotFoundError(f"{source.entity}[id:{id}] not found.")
    raise NotAuthorizedError(f"READ access to this {source.entity} is not allowed.")
