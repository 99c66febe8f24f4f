"""Names of parameter types as ids, looked up before the query runs.

Of ``p.type.name = 'wavelength'`` the database would guess that it is one of all types; of
``p.type.id = 12`` it knows how many values there are, and how they are spread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from sqlalchemy import bindparam, select

from catalog.model import ParameterType
from catalog.query import tree
from catalog.query.executor import Executor
from catalog.query.schema import entities

MOST = 100
"""With more types of one name the condition stays as it is."""

_NAMED = select(ParameterType.name, ParameterType.id).where(
    ParameterType.name.in_(bindparam("names", expanding=True))
)

Node = TypeVar("Node", bound=tree.Node)
Ids = Mapping[str, list[int]]
"""The ids of all types of a name."""


@dataclass(frozen=True)
class _Variable:
    """What a variable stands for, and whether it was reached by a to-one relation."""

    entity: str
    to_one: bool


_Variables = Mapping[str, _Variable]


def with_ids(executor: Executor, query: tree.Select) -> tree.Select:
    """The same query with ids in place of names of parameter types, where rows need the type.

    Only what must hold for a row to be found is changed, so the same rows are found.
    """
    names = {name for condition in _conditions(query, {}) for name in _names(condition)}
    if not names:
        return query
    ids: dict[str, list[int]] = defaultdict(list)
    for name, id in executor.execute(_NAMED, {"names": list(names)}):
        ids[name].append(id)
    return _changed(query, {}, ids)


def _conditions(node: tree.Node, outer: _Variables) -> Iterator[tree.Expression]:
    """The conditions to change, those of SELECTs inside too."""
    variables = outer
    if isinstance(node, tree.Select):
        variables = _declared(node, outer)
        yield from (one for one in tree.conjuncts(node.where) if _is_name_of_type(one, variables))
    for child in tree.children(node):
        yield from _conditions(child, variables)


def _changed(node: Node, outer: _Variables, ids: Ids) -> Node:
    if isinstance(node, tree.Select):
        variables = _declared(node, outer)
        members = tuple(
            _by_id(one, ids) if _is_name_of_type(one, variables) else _changed(one, variables, ids)
            for one in tree.conjuncts(node.where)
        )
        return replace(node, where=tree.And(members) if members else None)
    parts: dict[str, Any] = {}
    for one in fields(node):
        value = getattr(node, one.name)
        if isinstance(value, tree.Node):
            parts[one.name] = _changed(value, outer, ids)
        elif isinstance(value, tuple) and any(isinstance(part, tree.Node) for part in value):
            parts[one.name] = tuple(_changed(part, outer, ids) for part in value)
    return replace(node, **parts) if parts else node


def _declared(query: tree.Select, outer: _Variables) -> _Variables:
    """The variables of a SELECT and of those around it; one that is wrong is left out."""
    found = dict(outer)
    for one in query.sources:
        variable: _Variable | None
        if isinstance(one, tree.Range):
            variable = _Variable(one.entity, to_one=False) if one.entity in entities() else None
        else:
            variable = _reached(one.path.names, found)
        found.pop(one.variable.lower(), None)
        if variable is not None:
            found[one.variable.lower()] = variable
    return found


def _reached(names: tuple[str, ...], variables: _Variables) -> _Variable | None:
    """What a path of relations leads to; None if there is no such path."""
    found = variables.get(names[0].lower())
    for name in names[1:]:
        relation = entities()[found.entity].relations.get(name) if found else None
        found = _Variable(relation.target, not relation.to_many) if relation else None
    return found


def _is_name_of_type(condition: tree.Expression, variables: _Variables) -> bool:
    """Whether it is ``….type.name = '…'``, or the same with IN, of what is joined by a key."""
    match condition:
        case tree.Comparison(operator="=", left=tree.Path() as path, right=tree.Literal() as one):
            members: tuple[tree.Node, ...] = (one,)
        case tree.In(operand=tree.Path() as path, members=tuple() as members):
            pass
        case _:
            return False
    if len(path.names) < 2 or path.names[-1] != "name":
        return False
    reached = _reached(path.names[:-1], variables)
    return reached == _Variable("ParameterType", to_one=True) and all(
        isinstance(one, tree.Literal) and isinstance(one.value, str) for one in members
    )


def _names(condition: tree.Expression) -> list[str]:
    return [str(node.value) for node in tree.children(condition) if isinstance(node, tree.Literal)]


def _by_id(condition: tree.Expression, ids: Ids) -> tree.Expression:
    (path,) = (node for node in tree.children(condition) if isinstance(node, tree.Path))
    found = sorted({id for name in _names(condition) for id in ids.get(name, [])})
    if len(found) > MOST:
        return condition
    members = tuple(tree.Literal(id, at=condition.at) for id in found)
    return tree.In(replace(path, names=(*path.names[:-1], "id")), members, at=condition.at)
