"""Search and get, with their results as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.authz.caller import Caller, Executor


def search(executor: Executor, caller: Caller, query: str, *, max_entities: int) -> list[Any]:
    """Run a query of either style, in one statement and one more for each step of INCLUDE.

    Returns:
        A member for each row: ``{"Dataset": {…}}``, a scalar, None, or a list of those where
        several values were selected.

    Raises:
        QueryError: ICAT's BAD_PARAMETER: the query cannot be understood or names unknown things.
        ValidationFailedError: More rows and included entities than ``max_entities``.
    """
    raise NotImplementedError


def get(
    executor: Executor, caller: Caller, query: str, id: int, *, max_entities: int
) -> dict[str, Any]:
    """One entity by id, ``{"Dataset": {…}}``; the query is ``Dataset``, with INCLUDE if wanted.

    Raises:
        NotFoundError: There is none with this id.
        NotAuthorizedError: The caller may not read it.
        QueryError: The query is wrong.
    """
    raise NotImplementedError


def search_each(
    executor: Executor, caller: Caller, queries: Mapping[str, str], ids: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Run each query for each id, bound as ``:id``: one statement per query.

    Returns:
        For each name the values by id, ``{"12": [3]}``, at most two of an id; for a query that is
        wrong ``{"error": message}`` instead, and the others are not affected.
    """
    raise NotImplementedError
