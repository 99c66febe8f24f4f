"""Search and get as a client has them: JSON that was read again."""

from __future__ import annotations

import json
from typing import Any

from catalog import search as texts
from catalog.authz.caller import Caller, Executor


def search(executor: Executor, caller: Caller, query: str, *, max_entities: int) -> list[Any]:
    """The rows of a query."""
    found = texts.search(executor, caller, query, max_entities=max_entities)
    rows: list[Any] = json.loads("".join(found))
    return rows


def get(executor: Executor, caller: Caller, query: str, id: int, *, max_entities: int) -> Any:
    """One entity by id."""
    return json.loads(texts.get(executor, caller, query, id, max_entities=max_entities))
