"""Concise style, ``Dataset <-> Investigation [name = 'x']``, rewritten to new style."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from catalog.model import ParameterValueType, StudyStatus
from catalog.query import tree
from catalog.query.schema import Entity, Relation, entities
from ijp.errors import QueryError


@dataclass(frozen=True)
class Related(tree.Node):
    """An entity of the query, and what must hold of it."""

    entity: str
    condition: tree.Expression | None


@dataclass(frozen=True)
class ConciseInclude(tree.Node):
    """The entities to return with the root, or all to-one relations (``INCLUDE 1``)."""

    names: tuple[tree.Path, ...] = ()
    one: bool = False


@dataclass(frozen=True)
class ConciseQuery(tree.Node):
    """A query in concise style; the first of ``related`` is the root's entity."""

    root: tree.Path
    related: tuple[Related, ...]
    aggregate: str | None = None
    distinct: bool = False
    order_by: tuple[tree.Order, ...] = ()
    include: ConciseInclude | None = None
    limit: tree.Limit | None = None


@dataclass(frozen=True)
class GetQuery(tree.Node):
    """What the call ``get`` takes; without a variable the steps are names of entities."""

    entity: str
    variable: str | None
    include: tree.Include | None


def rewrite(query: ConciseQuery) -> tree.Query:
    """The same query in new style.

    Each entity has the variable ``Entity$``; each further one is reached by the relations between
    the entities of the query. An entity may be named again with a further condition.

    Raises:
        QueryError: An entity is unknown, or cannot be reached in exactly one way.
    """
    for one in query.related:
        _entity(one.entity, one.at)
    root = query.related[0].entity
    path = tree.Path((f"{root}$", *query.root.names[1:]), at=query.root.at - 1)
    item: tree.Expression = path
    if query.aggregate is not None:
        item = tree.Aggregate(query.aggregate, path, query.distinct, at=query.at)
    select = tree.Select(
        items=(item,),
        sources=(tree.Range(root, f"{root}$", at=query.root.at), *_joins(query.related)),
        distinct=query.distinct and query.aggregate is None,
        where=_where(query.related),
        order_by=tuple(_order(root, one) for one in query.order_by),
        at=query.at,
    )
    return tree.Query(select, _include(query), query.limit)


def rewrite_get(query: GetQuery) -> tree.Query:
    """``Dataset INCLUDE DatasetType, Investigation`` in new style."""
    names = tuple(step.path for step in query.include.steps) if query.include else ()
    for step in query.include.steps if query.include else ():
        if step.variable is not None or len(step.path.names) > 1:
            raise QueryError(f"{step.path} is not an entity to include", step.at)
    related = (Related(query.entity, None, at=query.at),)
    root = tree.Path((query.entity,), at=query.at)
    include = ConciseInclude(names, at=query.at)
    return rewrite(ConciseQuery(root, related, include=include, at=query.at))


def _entity(name: str, at: int) -> Entity:
    try:
        return entities()[name]
    except KeyError:
        raise QueryError(f"{name} is not an ICAT entity", at) from None


def _joins(related: tuple[Related, ...]) -> Iterator[tree.Join]:
    """Follow relations between the listed entities until all are reached."""
    listed = {one.entity: one.at for one in reversed(related)}
    root = related[0].entity
    reached, waiting = {root}, [(root, "")]
    while waiting:
        origin, back = waiting.pop(0)
        for relation in entities()[origin].relations.values():
            if relation.target not in listed or relation.name == back:
                continue
            if relation.target in reached:
                raise _loop(origin, relation.target, listed[relation.target])
            reached.add(relation.target)
            waiting.append((relation.target, relation.inverse))
            at = listed[relation.target]
            path = tree.Path((f"{origin}$", relation.name), at=at)
            yield tree.Join(path, f"{relation.target}$", at=at)
    for name, at in listed.items():
        if name not in reached:
            raise QueryError(f"Unable to reach {name}", at)


def _loop(origin: str, target: str, at: int) -> QueryError:
    message = f"Can't have loop in graph of entities. {origin} and {target} are related twice"
    return QueryError(message, at)


def _where(related: tuple[Related, ...]) -> tree.Expression | None:
    found = [
        _own(one.condition, entities()[one.entity], top=True)
        for one in related
        if one.condition is not None
    ]
    if len(found) < 2:
        return found[0] if found else None
    return tree.And(tuple(found), at=found[0].at)


def _own(node: tree.Expression, entity: Entity, *, top: bool = False) -> tree.Expression:
    """A condition whose bare names are attributes of its entity, or constants."""
    match node:
        case tree.Path():
            return _path_or_constant(node, entity)
        case tree.Comparison():
            _check_comparison(node, entity)
            return replace(node, left=_own(node.left, entity), right=_own(node.right, entity))
        case tree.And() | tree.Or():
            return replace(node, members=tuple(_own(one, entity) for one in node.members))
        case tree.Not() | tree.IsNull() | tree.Negative():
            return replace(node, operand=_own(node.operand, entity))
        case tree.In(members=tuple() as members):
            own = tuple(_own(one, entity) for one in members)
            return replace(node, operand=_own(node.operand, entity), members=own)
        case tree.Between():
            low, high = _own(node.low, entity), _own(node.high, entity)
            return replace(node, operand=_own(node.operand, entity), low=low, high=high)
        case tree.Like():
            pattern = _own(node.pattern, entity)
            return replace(node, operand=_own(node.operand, entity), pattern=pattern)
        case tree.Literal() | tree.Parameter() | tree.Now():
            return node
    raise QueryError("this cannot stand in a concise query; use SELECT … FROM …", node.at)


def _is_attribute(node: tree.Expression, entity: Entity) -> bool:
    if not isinstance(node, tree.Path):
        return False
    return node.names[0] in entity.attributes or node.names[0] in entity.relations


def _check_comparison(node: tree.Comparison, entity: Entity) -> None:
    if _is_attribute(node.left, entity) == _is_attribute(node.right, entity):
        for side in (node.left, node.right):
            if isinstance(side, tree.Path) and not _constant_of(side):
                _path_or_constant(side, entity)
        raise QueryError("Attribute comparisons require one attribute name and one value", node.at)


def _constant_of(path: tree.Path) -> ParameterValueType | StudyStatus | None:
    name = str(path)
    if name in ParameterValueType.__members__:
        return ParameterValueType[name]
    if name in StudyStatus.__members__:
        return StudyStatus[name]
    return None


def _path_or_constant(path: tree.Path, entity: Entity) -> tree.Expression:
    if _is_attribute(path, entity):
        variable = f"{entity.name}$"
        return tree.Path((variable, *path.names), at=path.at - len(variable) - 1)
    constant = _constant_of(path)
    if constant is None:
        raise QueryError(f"{entity.name} has no field {path.names[0]}", path.at)
    return tree.Literal(constant, at=path.at)


def _order(root: str, order: tree.Order) -> tree.Order:
    path = order.expression
    if not isinstance(path, tree.Path) or not _is_attribute(path, entities()[root]):
        if isinstance(path, tree.Path):
            raise QueryError(f"{root} has no field {path.names[0]}", path.at)
        raise QueryError(f"ORDER BY takes fields of {root}", order.at)
    return replace(order, expression=_path_or_constant(path, entities()[root]))


def _include(query: ConciseQuery) -> tree.Include | None:
    include = query.include
    if include is None:
        return None
    if len(query.root.names) > 1:
        raise QueryError("INCLUDE is allowed only where entities are selected", include.at)
    if include.one:
        return tree.Include(one=True, at=include.at)
    return tree.Include(tuple(_include_steps(query.related[0].entity, include)), at=include.at)


def _include_steps(root: str, include: ConciseInclude) -> Iterator[tree.IncludeStep]:
    """All relations that lead to listed entities; after a to-one step only to-one steps."""
    listed = {str(name): name.at for name in include.names}
    for name, at in listed.items():
        _entity(name, at)
    reached: set[str] = {root}
    waiting: list[tuple[str, Relation | None]] = [(root, None)]
    while waiting:
        origin, came_by = waiting.pop(0)
        for relation in entities()[origin].relations.values():
            if not _leads_on(came_by, relation) or relation.target not in listed:
                continue
            if relation.target in reached:
                raise _loop(origin, relation.target, listed[relation.target])
            reached.add(relation.target)
            waiting.append((relation.target, relation))
            at = listed[relation.target]
            path = tree.Path((f"{origin}$", relation.name), at=at)
            yield tree.IncludeStep(path, f"{relation.target}$", at=at)
    for name, at in listed.items():
        if name not in reached:
            raise QueryError(f"Unable to reach {name} in list of INCLUDES.", at)


def _leads_on(came_by: Relation | None, relation: Relation) -> bool:
    if came_by is None:
        return True
    return relation.name != came_by.inverse and (came_by.to_many or not relation.to_many)
