"""Why a user may do something with an object, or why not: every rule that could matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from catalog.authz.caller import Caller, Executor
from catalog.authz.definition import Definition, read
from catalog.authz.rules import Access, Rights, among
from catalog.authz.visible import VisibleRows
from catalog.model import Grouping, PublicStep, Rule, User, UserGroup
from catalog.query.schema import entities
from ijp.errors import BadRequestError, NotFoundError, QueryError


@dataclass(frozen=True)
class Reason:
    """What one rule has to do with it.

    Attributes:
        grants: Whether it alone is enough.
        text: Why, in words.
    """

    rule_id: int
    what: str
    flags: str
    group: str | None
    grants: bool
    text: str

    def __str__(self) -> str:
        who = f"group {self.group}" if self.group else "everyone"
        verdict = "grants" if self.grants else "does not"
        return f"rule {self.rule_id} {verdict}: {self.text}\n    {self.flags} {who}: {self.what}"


@dataclass(frozen=True)
class Explanation:
    """Whether an access is permitted, and why.

    Attributes:
        notes: What is to be said beside the rules.
    """

    permitted: bool
    notes: tuple[str, ...]
    reasons: tuple[Reason, ...]


def explain(
    executor: Executor, caller: Caller, access: Access, entity: str, id: int
) -> Explanation:
    """Say why a user has an access to an object, or has not.

    Raises:
        BadRequestError: There is no such entity.
        NotFoundError: There is no such object.
    """
    if entity not in entities():
        raise BadRequestError(f"{entity} is not an ICAT entity")
    everything = Rights(executor, Caller(caller.name, is_root=True))
    if not everything.permitted(access, entity, [id]):
        raise NotFoundError(f"{entity}[id:{id}] not found.")
    rights = Rights(executor, caller)
    notes: list[str] = []
    if caller.is_root:
        notes.append(f"{caller.name} is a root user, to whom rules do not apply")
    known = executor.execute(select(User.id).where(User.name == caller.name)).first()
    if known is None:
        notes.append(f"there is no User {caller.name}, who therefore is in no group")
    if access is Access.READ:
        notes += (
            f"INCLUDE over the public step {origin}.{name} shows it, whatever the rules say"
            for origin, name in _steps_to(executor, entity)
        )
    return Explanation(
        bool(rights.permitted(access, entity, [id])),
        tuple(notes),
        tuple(_reasons(executor, rights, caller, access, entity, id)),
    )


def _reasons(
    executor: Executor, rights: Rights, caller: Caller, access: Access, entity: str, id: int
) -> Iterator[Reason]:
    """Those of the rules about the entity, in the order of their ids."""
    member = (
        select(UserGroup.grouping_id)
        .join(User, User.id == UserGroup.user_id)
        .where(User.name == caller.name)
    )
    groups = set(executor.execute(member).scalars())
    rows = executor.execute(
        select(Rule.id, Rule.what, Rule.crud_flags, Rule.grouping_id, Grouping.name)
        .outerjoin(Grouping, Grouping.id == Rule.grouping_id)
        .order_by(Rule.id)
    )
    for rule_id, what, flags, grouping_id, group in rows.all():
        try:
            definition = read(what)
        except QueryError as error:
            yield Reason(rule_id, what, flags, group, False, f"it cannot be read: {error.message}")
            continue
        if definition.entity != entity:
            continue
        outside = grouping_id is not None and grouping_id not in groups
        grants, text = _verdict(executor, rights, definition, flags, outside, access, id)
        yield Reason(rule_id, what, flags, group, grants, text)


def _verdict(
    executor: Executor,
    rights: Rights,
    definition: Definition,
    flags: str,
    outside: bool,
    access: Access,
    id: int,
) -> tuple[bool, str]:
    if access.value not in flags:
        return False, f"it has no flag {access.value}"
    if outside:
        return False, "the user is not in the group"
    visible = VisibleRows((definition,), rights.environment)
    if not among(executor, visible, definition.entity, [id]):
        return False, "the object is not among those that it selects"
    if definition.attribute is not None:
        return False, f"it is about the field {definition.attribute} alone"
    if not definition.is_restricted:
        return True, "it is about all objects, for it has no WHERE"
    return True, "the object is among those that it selects"


def _steps_to(executor: Executor, entity: str) -> Iterator[tuple[str, str]]:
    steps = select(PublicStep.origin, PublicStep.field).order_by(PublicStep.id)
    for origin, name in executor.execute(steps).all():
        relation = entities()[origin].relations.get(name) if origin in entities() else None
        if relation is not None and relation.target == entity:
            yield origin, name
