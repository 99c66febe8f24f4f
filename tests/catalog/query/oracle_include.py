"""What INCLUDE should bring, followed from object to object in plain Python."""

from __future__ import annotations

from typing import Any

from catalog.query import tree
from catalog.query.include import Instance
from catalog.query.schema import entities
from tests.catalog.query.oracle import Data, Place

Branches = dict[str, "Branches"]
Brought = dict[str, Any]
"""By relation what it leads to: (Place, Brought), or a list of those."""


def brought(data: Data, place: Place, include: tree.Include, variable: str) -> Brought:
    """What comes with an object."""
    root: Branches = {}
    if include.one:
        root = {one.name: {} for one in entities()[place.entity].to_one()}
    known = {variable.lower(): root}
    for step in include.steps:
        node = known[step.path.names[0].lower()]
        for name in step.path.names[1:]:
            node = node.setdefault(name, {})
        if step.variable is not None:
            known[step.variable.lower()] = node
    return _follow(data, place, root)


def _follow(data: Data, place: Place, branches: Branches) -> Brought:
    assert place.id is not None
    found: Brought = {}
    for name, further in branches.items():
        relation = entities()[place.entity].relations[name]
        if relation.to_many:
            others = sorted(data[relation.target].items())
            ids = [id for id, one in others if one[relation.inverse] == place.id]
            targets = [Place(relation.target, id) for id in ids]
            found[name] = [(one, _follow(data, one, further)) for one in targets]
        elif (id := data[place.entity][place.id][name]) is not None:
            target = Place(relation.target, id)
            found[name] = (target, _follow(data, target, further))
    return found


def of_instance(instance: Instance) -> Brought:
    """The same of what a search gave."""
    return {
        name: [_member(one) for one in member] if isinstance(member, list) else _member(member)
        for name, member in instance.included.items()
    }


def _member(instance: Instance) -> tuple[Place, Brought]:
    return Place(instance.entity.name, instance.value("id")), of_instance(instance)
