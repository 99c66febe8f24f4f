"""Many rules as few, so that the database has less to plan and to test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from catalog.authz.definition import Definition, read
from catalog.query import tree

_HOLE = tree.Parameter("")
"""Stands where rules of one shape have different constants; no text has such a parameter."""


@dataclass(frozen=True)
class _Shape:
    """A rule without the constant of one of its conditions, which is what a path is equal to.

    Attributes:
        kinds: Of all constants, this one included: for Python 1, 1.0 and True are equal.
    """

    definition: Definition
    path: tree.Path
    kinds: tuple[type, ...]


def merged(texts: Iterable[str]) -> tuple[Definition, ...]:
    """Rules that give the same objects as these do together; all of them can be read.

    One that is there twice is enough once. Those that differ in one constant become one:
    ``… AND i.name = 'a'`` and ``… AND i.name = 'b'`` are ``… AND i.name IN ('a', 'b')``.
    """
    shapes = {text: _shapes(text) for text in texts}
    often = Counter(id(shape) for found in shapes.values() for shape, _ in found)
    together: dict[int, tuple[_Shape, list[tree.Literal]]] = {}
    single: list[Definition] = []
    for text, found in shapes.items():
        pair = max(found, key=lambda pair: often[id(pair[0])], default=None)
        if pair is None or often[id(pair[0])] == 1:
            single.append(read(text))
        else:
            shape, constant = pair
            together.setdefault(id(shape), (shape, []))[1].append(constant)
    return (*single, *(_filled(shape, constants) for shape, constants in together.values()))


@lru_cache(maxsize=4096)
def _shapes(text: str) -> tuple[tuple[_Shape, tree.Literal], ...]:
    """A rule with each of its constants in turn left out; those that are equal are one object."""
    rule = read(text)
    members = tree.conjuncts(rule.select.where)
    kinds = [
        type(node.value) for node, *_ in tree.walk(rule.select) if isinstance(node, tree.Literal)
    ]
    found: list[tuple[_Shape, tree.Literal]] = []
    for place, member in enumerate(members):
        if not isinstance(member, tree.Comparison) or member.operator != "=":
            continue
        path, constant = member.left, member.right
        if not isinstance(path, tree.Path) or not isinstance(constant, tree.Literal):
            continue
        if constant.value is not None:
            others = (*members[:place], *members[place + 1 :], _HOLE)
            rest = replace(rule, select=replace(rule.select, where=tree.And(others)))
            known = (type(constant.value), *kinds)
            found.append((_one_of_equals(_Shape(rest, path, known)), constant))
    return tuple(found)


@lru_cache(maxsize=4096)
def _one_of_equals(shape: _Shape) -> _Shape:
    return shape


def _filled(shape: _Shape, constants: list[tree.Literal]) -> Definition:
    select = shape.definition.select
    others = tree.conjuncts(select.where)[:-1]
    where = tree.And((*others, tree.In(shape.path, tuple(constants))))
    return replace(shape.definition, select=replace(select, where=where))
