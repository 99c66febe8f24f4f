"""Counts of entities without their table, where another one has their ids."""

from __future__ import annotations

from dataclasses import replace

from catalog.query import tree
from catalog.query.schema import Relation, entities


def without_table(query: tree.Select) -> tree.Select:
    """The same count over what is joined to the counted entity, if no more of it is needed.

    ``SELECT COUNT(ds) FROM Dataset ds JOIN ds.parameters p WHERE p.numericValue > 3`` is
    ``SELECT COUNT(p.dataset.id) FROM DatasetParameter p WHERE p.numericValue > 3``.
    """
    match query:
        case tree.Select(
            items=(tree.Aggregate("COUNT", tree.Path((counted,))),),
            sources=(tree.Range(entity, variable), tree.Join(outer=False) as first, *others),
            group_by=(),
            order_by=(),
        ) if counted.lower() == variable.lower() and entity in entities():
            joins = [one for one in (first, *others) if isinstance(one, tree.Join)]
        case _:
            return query
    # All that is said of it: that it is counted, and what is joined to it.
    own = [one for one in joins if one.path.names[0].lower() == variable.lower()]
    relations = [_required(entity, one) for one in own]
    if variable.lower() in (one.variable.lower() for one in query.sources[1:]):
        return query
    if first not in own or None in relations or _mentions(query, variable) != len(own) + 1:
        return query
    return _rewritten(query, own, [one for one in relations if one is not None])


def _required(entity: str, join: tree.Join) -> Relation | None:
    """The to-many relation that a join follows, if each member has its owner's id."""
    if len(join.path.names) != 2 or join.outer:
        return None
    relation = entities()[entity].relations.get(join.path.names[1])
    if relation is None or not relation.to_many:
        return None
    column = entities()[relation.target].table.c[relation.column]
    return None if column.nullable else relation


def _mentions(query: tree.Select, variable: str) -> int:
    return sum(
        isinstance(node, tree.Path) and node.names[0].lower() == variable.lower()
        for node, *_ in tree.walk(query)
    )


def _rewritten(query: tree.Select, own: list[tree.Join], relations: list[Relation]) -> tree.Select:
    ids = [
        tree.Path((join.variable, relation.inverse, "id"), at=join.at)
        for join, relation in zip(own, relations, strict=True)
    ]
    ranges = {
        id(join): tree.Range(relation.target, join.variable, at=join.at)
        for join, relation in zip(own, relations, strict=True)
    }
    same = (tree.Comparison("=", other, ids[0], at=other.at) for other in ids[1:])
    (item,) = query.items
    assert isinstance(item, tree.Aggregate)
    conditions = (*same, *tree.conjuncts(query.where))
    return replace(
        query,
        items=(replace(item, operand=ids[0]),),
        sources=tuple(ranges.get(id(one), one) for one in query.sources[1:]),
        where=tree.And(conditions) if conditions else None,
    )
