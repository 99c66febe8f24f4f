"""What rules let a user see, against a plain Python reading of the same rules.

The oracle keeps the entities as Python objects, and evaluates queries and rules by trying every
combination of objects for their variables.
"""

from __future__ import annotations

import itertools
import operator
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from catalog.authz.caller import Caller
from catalog.authz.rules import Access, Rights
from catalog.query.schema import entities
from ijp.errors import NotAuthorizedError, NotFoundError
from tests.catalog import searching as search

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMPS = {"create_id": "x", "create_time": NOW, "mod_id": "x", "mod_time": NOW}
USERS = ("db/ana", "db/bo", "db/nobody")


@dataclass
class World:
    """Objects by entity and id; a to-one relation is the id of the other object."""

    objects: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)

    def add(self, entity: str, **values: Any) -> int:
        """Add an object; its id."""
        mine = self.objects.setdefault(entity, {})
        mine[len(mine) + 1] = {"id": len(mine) + 1, **values}
        return len(mine)

    def of(self, entity: str) -> dict[int, dict[str, Any]]:
        """The objects of an entity."""
        return self.objects.get(entity, {})

    def many(self, entity: str, id: int, name: str) -> list[int]:
        """Ids that a to-many relation leads to."""
        relation = entities()[entity].relations[name]
        others = self.of(relation.target)
        return [other for other, one in others.items() if one.get(relation.inverse) == id]


_REQUIRED = {
    "Facility": {"name": ""},
    "InvestigationType": {"name": "t", "facility": 1},
    "DatasetType": {"facility": 1},
    "Investigation": {"visitId": "1", "title": "t", "facility": 1, "type": 1},
    "Dataset": {"complete": False},
    "ParameterType": {"facility": 1, "units": "u"},
}


def store(engine: Engine, world: World) -> None:
    """Put a world into the database instead of what was there."""
    with engine.execution_options(writes=True).begin() as connection:
        for name in reversed(_ORDER):
            connection.execute(delete(entities()[name].table))
        for name in _ORDER:
            rows = [_row(name, one) for one in world.of(name).values()]
            if rows:
                connection.execute(insert(entities()[name].table), rows)


_ORDER = (
    "Facility",
    "InvestigationType",
    "DatasetType",
    "Investigation",
    "Sample",
    "Dataset",
    "Datafile",
    "User",
    "Grouping",
    "UserGroup",
    "InvestigationUser",
    "InvestigationGroup",
    "Rule",
    "PublicStep",
)


def _row(name: str, one: dict[str, Any]) -> dict[str, Any]:
    entity = entities()[name]
    row: dict[str, Any] = dict(STAMPS)
    for wire, value in one.items():
        if wire in entity.relations:
            row[entity.relations[wire].column] = value
        else:
            row[str(entity.attributes[wire].key)] = value
    return row


# Rules that the oracle can evaluate itself: a condition is a function of the variables.

Variables = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Join:
    """``origin.relation variable``."""

    origin: str
    relation: str
    variable: str


@dataclass(frozen=True)
class Compare:
    """``path operator value``; ``:user`` stands for itself."""

    path: str
    sign: str
    value: Any

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, int) else f"'{self.value}'"
        value = ":user" if self.value == ":user" else str(value)
        return f"{self.path} {self.sign} {value}"


@dataclass(frozen=True)
class Logic:
    """``left AND right`` or ``left OR right``, or NOT of the left."""

    word: str
    left: Any
    right: Any = None

    def __str__(self) -> str:
        if self.word == "NOT":
            return f"NOT ({self.left})"
        return f"({self.left} {self.word} {self.right})"


@dataclass(frozen=True)
class What:
    """A rule's or query's SELECT."""

    entity: str
    joins: tuple[Join, ...] = ()
    condition: Any = None
    variable: str = "x"
    root: str = ""

    @property
    def text(self) -> str:
        """As it is written."""
        joins = "".join(f" JOIN {one.origin}.{one.relation} {one.variable}" for one in self.joins)
        where = "" if self.condition is None else f" WHERE {self.condition}"
        root = self.root or self.entity
        first = self.variable if not self.root else "r"
        return f"SELECT {self.variable} FROM {root} {first}{joins}{where}"


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">=": operator.ge,
}


class Oracle:
    """Evaluates by trying everything."""

    def __init__(self, world: World, user: str) -> None:
        self.world = world
        self.user = user

    def selected(self, what: What) -> Iterator[int]:
        """Ids that a SELECT gives, one for each combination."""
        first = what.variable if not what.root else "r"
        for id in self.world.of(what.root or what.entity):
            start = {first: (what.root or what.entity, id)}
            for variables in self._joined(start, what):
                if what.condition is None or self._holds(what.condition, variables) is True:
                    yield variables[what.variable][1]

    def _joined(self, start: Variables, what: What) -> Iterator[Variables]:
        found = [start]
        for join in what.joins:
            found = [
                {**one, join.variable: target}
                for one in found
                for target in self._targets(one[join.origin], join.relation)
            ]
        # The to-one steps of paths in WHERE are joins, so a row without is left out; but the id at
        # the end of a path is that of the foreign key.
        steps = [path for path in _paths(what.condition) if not path.endswith(".sample.id")]
        yield from (one for one in found if all(self._reach(one, path) for path in steps))

    def _targets(self, origin: tuple[str, int], name: str) -> list[tuple[str, int]]:
        relation = entities()[origin[0]].relations[name]
        if relation.to_many:
            return [(relation.target, id) for id in self.world.many(*origin, name)]
        id = self.world.of(origin[0])[origin[1]].get(name)
        return [] if id is None else [(relation.target, id)]

    def _reach(self, variables: Variables, path: str) -> tuple[str, int] | None:
        first, *steps = path.split(".")[:-1]
        place = variables[first]
        for step in steps:
            targets = self._targets(place, step)
            if not targets:
                return None
            place = targets[0]
        return place

    def _holds(self, condition: Any, variables: Variables) -> bool | None:
        if isinstance(condition, Logic):
            left = self._holds(condition.left, variables)
            if condition.word == "NOT":
                return None if left is None else not left
            both = (left, self._holds(condition.right, variables))
            if condition.word == "AND":
                return False if False in both else (None if None in both else True)
            return True if True in both else (None if None in both else False)
        value = self._value(variables, condition.path)
        wanted = self.user if condition.value == ":user" else condition.value
        return None if value is None else _SIGNS[condition.sign](value, wanted)

    def _value(self, variables: Variables, path: str) -> Any:
        place = self._reach(variables, path)
        return self.world.of(place[0])[place[1]].get(path.split(".")[-1]) if place else None

    def readable(self, entity: str, flag: str = "R") -> set[int]:
        """Ids of the entity that the rules give the user."""
        found: set[int] = set()
        for rule in self.world.of("Rule").values():
            what = rule_whats[rule["what"]]
            if flag not in rule["crudFlags"] or what.entity != entity:
                continue
            if rule.get("grouping") is not None and not self._is_member(rule["grouping"]):
                continue
            everything = what.condition is None
            found |= set(self.world.of(entity)) if everything else set(self.selected(what))
        return found

    def _is_member(self, grouping: int) -> bool:
        names = {
            self.world.of("User")[one["user"]]["name"]
            for one in self.world.of("UserGroup").values()
            if one["grouping"] == grouping
        }
        return self.user in names


def _paths(condition: Any) -> Iterator[str]:
    if isinstance(condition, Logic):
        yield from _paths(condition.left)
        if condition.right is not None:
            yield from _paths(condition.right)
    elif condition is not None:
        yield condition.path


rule_whats: dict[str, What] = {}

_INVESTIGATION_USERS = (
    Join("i", "investigationUsers", "iu"),
    Join("iu", "user", "u"),
)
_INVESTIGATION_GROUPS = (
    Join("i", "investigationGroups", "ig"),
    Join("ig", "grouping", "g"),
    Join("g", "userGroups", "ug"),
    Join("ug", "user", "u"),
)
_IS_USER = Compare("u.name", "=", ":user")

_NUMBER = st.integers(0, 3)
_NAME = st.sampled_from(["a", "b", "c"])
_SIGN = st.sampled_from(sorted(_SIGNS))


def _test(path: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Compare]:
    return st.builds(Compare, st.just(path), _SIGN, value)


def _logic(tests: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        tests,
        lambda inner: st.one_of(
            st.builds(Logic, st.sampled_from(["AND", "OR"]), inner, inner),
            st.builds(Logic, st.just("NOT"), inner),
        ),
        max_leaves=4,
    )


_ON_INVESTIGATION = [_test("i.name", _NAME), _test("i.id", _NUMBER), st.just(_IS_USER)]
_ON_DATASET = [
    _test("x.fileSize", _NUMBER),
    _test("x.name", _NAME),
    _test("x.type.name", _NAME),
    _test("x.sample.name", _NAME),
    _test("x.sample.id", _NUMBER),
]
_USERS = st.sampled_from([_INVESTIGATION_USERS, _INVESTIGATION_GROUPS])
_TO_INVESTIGATION = (Join("x", "investigation", "i"),)


@st.composite
def _whats(draw: st.DrawFn) -> What:
    """Rules of the kinds that facilities have, with conditions of any form."""
    shape = draw(st.integers(0, 6))
    users = draw(_USERS)
    if shape == 0:
        condition = draw(st.one_of(st.none(), _logic(st.one_of(*_ON_DATASET))))
        return What("Dataset", (), condition)
    if shape == 1:
        tests = st.one_of(*_ON_INVESTIGATION, *_ON_DATASET)
        condition = draw(st.one_of(st.just(_IS_USER), _logic(tests)))
        return What("Dataset", (*_TO_INVESTIGATION, *users), condition)
    if shape == 2:
        tests = _logic(st.one_of(*_ON_INVESTIGATION))
        return What("Investigation", tuple(_from("x", one) for one in users), _renamed(draw(tests)))
    if shape == 3:
        joins = (Join("x", "dataset", "d"), Join("d", "investigation", "i"), *users)
        tests = st.one_of(*_ON_INVESTIGATION, _test("d.fileSize", _NUMBER), _test("x.name", _NAME))
        return What("Datafile", joins, draw(_logic(tests)))
    if shape == 4:
        joins = (Join("r", "datasets", "x"), Join("r", "investigationUsers", "iu"))
        tests = st.one_of(_test("r.name", _NAME), _test("iu.user.name", st.just(":user")))
        return What("Dataset", joins, draw(_logic(tests)), root="Investigation")
    if shape == 5:
        joins = (Join("x", "sample", "s"), Join("x", "investigation", "i"), *users)
        tests = st.one_of(_test("s.name", _NAME), st.just(_IS_USER), _test("x.id", _NUMBER))
        return What("Dataset", joins, draw(_logic(tests)))
    return What("Sample", _TO_INVESTIGATION, draw(st.one_of(st.none(), _test("i.name", _NAME))))


def _from(variable: str, join: Join) -> Join:
    return Join(variable, join.relation, join.variable) if join.origin == "i" else join


def _renamed(condition: Any) -> Any:
    if isinstance(condition, Logic):
        right = None if condition.right is None else _renamed(condition.right)
        return Logic(condition.word, _renamed(condition.left), right)
    return Compare(condition.path.replace("i.", "x."), condition.sign, condition.value)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few investigations with samples, datasets and files, users, groups and rules."""
    world = World()
    world.add("Facility", name="F")
    world.add("InvestigationType", name="t", facility=1)
    for name in ("a", "b"):
        world.add("DatasetType", name=name, facility=1)
    places = draw(st.integers(1, 3))
    for number in range(places):
        values = {**_REQUIRED["Investigation"], "visitId": str(number)}
        world.add("Investigation", **values | {"name": draw(_NAME)})
        if draw(st.booleans()):
            world.add("Sample", name=draw(_NAME), investigation=number + 1)
    samples = [None, *world.of("Sample")]
    for number in range(draw(st.integers(0, 5))):
        world.add(
            "Dataset",
            name=draw(_NAME) + str(number) * draw(st.integers(0, 1)) or "a",
            investigation=draw(st.integers(1, places)),
            type=draw(st.integers(1, 2)),
            sample=draw(st.sampled_from(samples)),
            fileSize=draw(st.one_of(st.none(), _NUMBER)),
            complete=False,
        )
    _make_unique(world, "Dataset")
    for number in world.of("Dataset"):
        for name in draw(st.sets(_NAME, max_size=2)):
            world.add("Datafile", name=name, dataset=number)
    _add_people(draw, world, places)
    for what in draw(st.lists(_whats(), min_size=1, max_size=5)):
        rule_whats[what.text] = what
        flags = draw(st.sampled_from(["R", "CRUD", "CU", "RD", "D"]))
        grouping = draw(st.sampled_from([None, None, 1, 2]))
        world.add("Rule", what=what.text, crudFlags=flags, grouping=grouping)
    return world


def _make_unique(world: World, entity: str) -> None:
    for id, one in world.of(entity).items():
        if any(
            other["name"] == one["name"] and other["investigation"] == one["investigation"]
            for number, other in world.of(entity).items()
            if number < id
        ):
            one["name"] = f"{one['name']}-{id}"


def _add_people(draw: st.DrawFn, world: World, places: int) -> None:
    for name in USERS[:2]:
        world.add("User", name=name)
    for name in ("g1", "g2"):
        world.add("Grouping", name=name)
    pairs = list(itertools.product((1, 2), (1, 2)))
    for user, grouping in draw(st.sets(st.sampled_from(pairs))):
        world.add("UserGroup", user=user, grouping=grouping)
    pairs = list(itertools.product(range(1, places + 1), (1, 2)))
    for investigation, user in draw(st.sets(st.sampled_from(pairs), max_size=3)):
        world.add("InvestigationUser", investigation=investigation, user=user, role="r")
    for investigation, grouping in draw(st.sets(st.sampled_from(pairs), max_size=3)):
        world.add("InvestigationGroup", investigation=investigation, grouping=grouping, role="r")


@st.composite
def queries(draw: st.DrawFn) -> What:
    """What a user asks."""
    tests = _logic(st.one_of(*_ON_DATASET))
    joins = draw(
        st.sampled_from([(), _TO_INVESTIGATION, (*_TO_INVESTIGATION, *_INVESTIGATION_USERS)])
    )
    more = st.one_of(*_ON_DATASET, _test("i.name", _NAME)) if joins else st.one_of(*_ON_DATASET)
    return What("Dataset", joins, draw(st.one_of(st.none(), tests, _logic(more))))


_PROPERTY = settings(
    max_examples=int(os.environ.get("IJP_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_PROPERTY
@given(world=worlds(), query=queries())
def test_what_a_search_gives_is_what_the_rules_allow(module_engine, world, query):
    store(module_engine, world)
    for user in USERS:
        oracle = Oracle(world, user)
        readable = oracle.readable("Dataset")
        expected = sorted(id for id in oracle.selected(query) if id in readable)
        with module_engine.connect() as connection:
            caller = Caller(user)
            rows = search.search(connection, caller, query.text, max_entities=1000)
            ids = [row["Dataset"]["id"] for row in rows]
            assert ids == expected
            counting = query.text.replace("SELECT x", "SELECT COUNT(x)")
            assert search.search(connection, caller, counting, max_entities=1) == [len(expected)]


@_PROPERTY
@given(world=worlds())
def test_what_a_search_over_a_relation_gives_is_what_the_rules_allow(module_engine, world):
    store(module_engine, world)
    query = "SELECT f.dataset.investigation.name, f.dataset.name, f.id FROM Datafile f"
    for user in USERS:
        oracle = Oracle(world, user)
        sees = {name: oracle.readable(name) for name in ("Investigation", "Dataset", "Datafile")}
        expected = []
        for id, one in sorted(world.of("Datafile").items()):
            dataset = world.of("Dataset")[one["dataset"]]
            investigation = world.of("Investigation")[dataset["investigation"]]
            if (
                id in sees["Datafile"]
                and one["dataset"] in sees["Dataset"]
                and dataset["investigation"] in sees["Investigation"]
            ):
                expected.append([investigation["name"], dataset["name"], id])
        with module_engine.connect() as connection:
            assert search.search(connection, Caller(user), query, max_entities=1000) == expected


@_PROPERTY
@given(world=worlds())
def test_what_include_and_get_give_is_what_the_rules_allow(module_engine, world):
    world.add("PublicStep", origin="Dataset", field="type")
    store(module_engine, world)
    text = "SELECT i FROM Investigation i INCLUDE i.datasets d, d.datafiles, d.sample, d.type"
    for user in USERS:
        oracle = Oracle(world, user)
        sees = {name: oracle.readable(name) for name in ("Investigation", "Dataset", "Datafile")}
        samples = oracle.readable("Sample")
        with module_engine.connect() as connection:
            found = search.search(connection, Caller(user), text, max_entities=1000)
            assert {row["Investigation"]["id"] for row in found} == sees["Investigation"]
            for row in found:
                investigation = row["Investigation"]
                ids = [one["id"] for one in investigation["datasets"]]
                own = world.many("Investigation", investigation["id"], "datasets")
                assert ids == [id for id in own if id in sees["Dataset"]]
                for dataset in investigation["datasets"]:
                    _check_dataset(world, dataset, sees["Datafile"], samples)
            for id in world.of("Dataset"):
                _check_get(connection, user, id, id in sees["Dataset"])
            with pytest.raises(NotFoundError):
                search.get(connection, Caller(user), "Dataset", 1000, max_entities=10)


def _check_dataset(world: World, found: Any, datafiles: set[int], samples: set[int]) -> None:
    stored = world.of("Dataset")[found["id"]]
    assert found["type"]["id"] == stored["type"]
    seen = stored["sample"] in samples
    assert ("sample" in found) == (stored["sample"] is not None and seen)
    own = world.many("Dataset", found["id"], "datafiles")
    assert [one["id"] for one in found["datafiles"]] == [id for id in own if id in datafiles]


def _check_get(connection: Any, user: str, id: int, allowed: bool) -> None:
    if allowed:
        found = search.get(connection, Caller(user), "Dataset", id, max_entities=10)
        assert found["Dataset"]["id"] == id
    else:
        with pytest.raises(NotAuthorizedError, match="READ access to this Dataset"):
            search.get(connection, Caller(user), "Dataset", id, max_entities=10)


@_PROPERTY
@given(world=worlds())
def test_other_access_is_what_the_rules_allow(module_engine, world):
    store(module_engine, world)
    for user in USERS:
        oracle = Oracle(world, user)
        with module_engine.connect() as connection:
            rights = Rights(connection, Caller(user))
            for access in (Access.CREATE, Access.UPDATE, Access.DELETE):
                ids = set(world.of("Dataset"))
                expected = oracle.readable("Dataset", access.value)
                assert rights.permitted(access, "Dataset", ids | {99}) == expected
            for id in world.of("Dataset"):
                _check_delete(world, oracle, rights, id)


DECISIONS = int(os.environ.get("IJP_DECISIONS", "10000"))
_OF_ONE_WORLD = 60
"""Decisions; there are more on average."""
_ABOUT = ("Investigation", "Sample", "Dataset", "Datafile")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("module_engine", ["sqlite"], indirect=True)
def test_many_thousand_decisions_are_those_of_the_rules(module_engine):
    decisions = 0

    @settings(_PROPERTY, max_examples=DECISIONS // _OF_ONE_WORLD, database=None)
    @given(world=worlds())
    def decide(world: World) -> None:
        nonlocal decisions
        store(module_engine, world)
        with module_engine.connect() as connection:
            for user in USERS:
                oracle, rights = Oracle(world, user), Rights(connection, Caller(user))
                for access, entity in itertools.product(Access, _ABOUT):
                    ids = {*world.of(entity), 99}
                    expected = oracle.readable(entity, access.value)
                    assert rights.permitted(access, entity, ids) == expected
                    decisions += len(ids)

    decide()
    assert decisions >= DECISIONS


def _check_delete(world: World, oracle: Oracle, rights: Rights, id: int) -> None:
    files = set(world.many("Dataset", id, "datafiles"))
    allowed = id in oracle.readable("Dataset", "D") and files <= oracle.readable("Datafile", "D")
    if allowed:
        rights.require_delete("Dataset", [id])
    else:
        with pytest.raises(NotAuthorizedError, match="DELETE access to this Data"):
            rights.require_delete("Dataset", [id])
