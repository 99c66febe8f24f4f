"""What a file of rules and the catalog's own rules differ in, and how to make them the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, delete, select

from catalog import entities
from catalog.authz.caller import Caller
from catalog.authz.rules import check_public_step, check_rule
from catalog.items import Creation, Item, Values
from catalog.model import Grouping, PublicStep, Rule
from catalog.query import schema
from ijp.errors import BadRequestError
from servicekit.rule_file import RuleFile, RuleLine, StepLine

Line = RuleLine | StepLine
T = TypeVar("T", RuleLine, StepLine)


@dataclass(frozen=True)
class Difference:
    """What is to be added and taken away; ``same`` is how many are as they should be."""

    added: tuple[Line, ...]
    removed: tuple[Line, ...]
    same: int
    removed_rule_ids: tuple[int, ...]
    removed_step_ids: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def faults(connection: Connection, file: RuleFile) -> Iterator[str]:
    """What the catalog would refuse, each with the rule it is about."""
    groups = set(connection.execute(select(Grouping.name)).scalars())
    for rule in file.rules:
        try:
            check_rule(rule.what, rule.flags)
        except BadRequestError as error:
            yield f"rule {rule.what!r}: {error.message}"
        if rule.group is not None and rule.group not in groups:
            yield f"rule {rule.what!r}: there is no group {rule.group!r}"
    for step in file.public_steps:
        try:
            check_public_step(step.origin, step.field)
        except BadRequestError as error:
            yield f"{step}: {error.message}"


def difference(connection: Connection, file: RuleFile) -> Difference:
    """How the catalog would have to change to have the rules and steps of a file, each once."""
    stored = connection.execute(
        select(Rule.id, Grouping.name, Rule.crud_flags, Rule.what)
        .outerjoin(Grouping, Grouping.id == Rule.grouping_id)
        .order_by(Rule.id)
    ).all()
    rules = [(id, RuleLine.of(group, flags, what)) for id, group, flags, what in stored]
    found = connection.execute(
        select(PublicStep.id, PublicStep.origin, PublicStep.field).order_by(PublicStep.id)
    ).all()
    steps = [(id, StepLine(origin, field)) for id, origin, field in found]
    new_rules, gone_rules = _compare(file.rules, rules)
    new_steps, gone_steps = _compare(file.public_steps, steps)
    added: tuple[Line, ...] = (*new_rules, *new_steps)
    removed: list[Line] = [line for _, line in gone_rules]
    removed += (line for _, line in gone_steps)
    return Difference(
        added=added,
        removed=tuple(removed),
        same=len(rules) + len(steps) - len(gone_rules) - len(gone_steps),
        removed_rule_ids=tuple(id for id, _ in gone_rules),
        removed_step_ids=tuple(id for id, _ in gone_steps),
    )


def _compare(
    wanted: Sequence[T], stored: Sequence[tuple[int, T]]
) -> tuple[list[T], list[tuple[int, T]]]:
    missing = Counter(dict.fromkeys(wanted, 1))
    gone = []
    for id, line in stored:
        if missing[line] > 0:
            missing[line] -= 1
        else:
            gone.append((id, line))
    return [line for line in dict.fromkeys(wanted) if missing[line]], gone


def apply(connection: Connection, caller: Caller, change: Difference) -> None:
    """Make the catalog's rules those of the file."""
    connection.execute(delete(Rule).where(Rule.id.in_(change.removed_rule_ids)))
    connection.execute(delete(PublicStep).where(PublicStep.id.in_(change.removed_step_ids)))
    groups = dict(connection.execute(select(Grouping.name, Grouping.id)).all())
    items = [
        Item(creation=_creation(line, groups, offset)) for offset, line in enumerate(change.added)
    ]
    entities.write(connection, caller, items)


def _creation(line: Line, groups: dict[str, int], offset: int) -> Creation:
    if isinstance(line, StepLine):
        step: Values = {"origin": line.origin, "field": line.field}
        return Creation(schema.entities()["PublicStep"], step, offset)
    rule: Values = {"what": line.what, "crud_flags": line.flags}
    if line.group is not None:
        rule["grouping_id"] = groups[line.group]
    return Creation(schema.entities()["Rule"], rule, offset)
