"""What the text of a rule says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from catalog.query import tree
from catalog.query.parse import parse
from catalog.query.scope import Environment, Scope
from catalog.query.translate import statement
from ijp.errors import QueryError


@dataclass(frozen=True)
class Definition:
    """The objects that a rule is about.

    Attributes:
        entity: What they are.
        variable: The variable that stands for them.
        attribute: The one attribute of them that the rule is about; None is the object.
        select: The query that gives them.
        is_restricted: There is a condition; a rule without is about all objects, even with joins.
    """

    entity: str
    variable: str
    attribute: str | None
    select: tree.Select
    is_restricted: bool


@lru_cache(maxsize=4096)
def read(what: str) -> Definition:
    """Read the text of a rule; the same text always gives the same.

    Raises:
        QueryError: It is not a query that a rule may have.
    """
    query = parse(what)
    path = _selected(query)
    scope = Scope(Environment("", datetime.now(UTC)))
    for range in query.select.sources:
        scope.declare(range)
    source = scope.variable(path.names[0])
    statement(query.select, scope.environment, lambda _: None)
    if source is None:
        raise QueryError(f"variable {path.names[0]} is not defined", path.at)
    relation = source.entity.relations.get(path.names[-1]) if len(path.names) == 2 else None
    if relation is not None and relation.to_many:
        message = f"{relation.origin} has no single {relation.name} to update"
        raise QueryError(message, path.position(1))
    return Definition(
        entity=source.entity.name,
        variable=path.names[0],
        attribute=path.names[1] if len(path.names) == 2 else None,
        select=query.select,
        is_restricted=query.select.where is not None,
    )


def _selected(query: tree.Query) -> tree.Path:
    select = query.select
    for clause, name in (
        (query.include, "INCLUDE"),
        (query.limit, "LIMIT"),
        (select.distinct, "DISTINCT"),
        (select.group_by, "GROUP BY"),
        (select.having, "HAVING"),
        (select.order_by, "ORDER BY"),
    ):
        if clause:
            raise QueryError(f"{name} is not allowed in rules", select.at)
    item = select.items[0]
    if len(select.items) > 1 or not isinstance(item, tree.Path) or len(item.names) > 2:
        message = "a rule selects one variable, or one attribute of it"
        raise QueryError(message, item.at)
    return item
