"""May this user do that to this object, and may this be a rule."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    String,
    bindparam,
    literal,
    or_,
    select,
    union_all,
)

from catalog.authz.caller import Caller, Executor
from catalog.authz.definition import Definition, read
from catalog.authz.joined_text import joined
from catalog.authz.merging import merged
from catalog.authz.visible import AllRows, VisibleRows
from catalog.model import PublicStep, Rule, User, UserGroup
from catalog.query.executor import dialect_of
from catalog.query.id_list import asked, is_asked, is_listed
from catalog.query.include import Visibility
from catalog.query.schema import entities
from catalog.query.scope import OPEN, Environment
from catalog.query.tables import Aliases, Tables
from catalog.query.translate import finish
from ijp.errors import BadRequestError, NotAuthorizedError, QueryError

log = logging.getLogger(__name__)

MAX_LENGTH = 1024
"""The most characters of ``Rule.what``."""


class Access(enum.Enum):
    """What a rule can allow, with its letter in ``Rule.crudFlags``."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"


_STEP = "-"
"""Stands before public steps, where rules have their flags."""

SEPARATOR = "\x1e"
"""Stands between rules where many are one text; no rule may have it."""

_Stored = str
"""The rules for one user, ``R Dataset``, and public steps, ``- Dataset datafiles``."""


@dataclass(frozen=True)
class _OwnRule:
    what: str
    flags: str
    definition: Definition


@dataclass(frozen=True)
class _OwnRules:
    """What one user's rules say.

    Attributes:
        faults: The texts that cannot be read, and why.
        questions: Which of some ids are permitted, as statements made so far: by access, entity
            and dialect. Whoever has the same rules asks the same, with another user and moment.
    """

    rules: tuple[_OwnRule, ...]
    faults: tuple[tuple[str, str], ...]
    public_steps: frozenset[tuple[str, str]]
    objects: Mapping[Access, tuple[Definition, ...]]
    questions: dict[tuple[Access, str, str], Select[int]] = field(default_factory=dict)


@lru_cache(maxsize=64)
def _read(stored: _Stored) -> _OwnRules:
    """Read rules; the same always are the same, whoever they are for and whenever they are read."""
    own: list[_OwnRule] = []
    faults: list[tuple[str, str]] = []
    texts = stored.split(SEPARATOR) if stored else []
    for flags, _, what in (one.partition(" ") for one in texts):
        try:
            if flags != _STEP:
                own.append(_OwnRule(what, flags, read(what)))
        except QueryError as error:
            faults.append((what, error.message))
    objects = {
        access: merged(
            one.what
            for one in own
            if access.value in one.flags and one.definition.attribute is None
        )
        for access in Access
    }
    steps = (one.removeprefix(f"{_STEP} ").partition(" ") for one in texts if one[:1] == _STEP)
    public = frozenset((origin, name) for origin, _, name in steps)
    return _OwnRules(tuple(own), tuple(faults), public, objects)


def stored_rules(user: SQLColumnExpression[str], *outside: FromClause) -> Select[str]:
    """The rules for a user and all public steps, as a ``Caller`` may have them.

    They come as one text, for there may be thousands, and a row takes longer than what is in it.

    Args:
        outside: Tables of the user's name, where this is asked within another statement.
    """
    groups = (
        select(UserGroup.grouping_id)
        .join(User, User.id == UserGroup.user_id)
        .where(User.name == user)
        .correlate(*outside)
    )
    rules = select((Rule.crud_flags + " " + Rule.what).label("stored")).where(
        or_(Rule.grouping_id.is_(None), Rule.grouping_id.in_(groups))
    )
    steps = select(literal(f"{_STEP} ") + PublicStep.origin + " " + PublicStep.field)
    stored = union_all(rules, steps).subquery().c.stored
    return select(joined(stored, SEPARATOR))


@cache
def _of_one_user() -> Select[str]:
    """Made once, since every call needs it."""
    return stored_rules(bindparam("user", type_=String()))


class Rights:
    """What one user may do, by the rules as they stand in this transaction.

    The texts of the rules are read in each call anew, with the session or when first needed: so a
    change is seen at once by every process. The objects asked about must be in the database:
    flush before.
    """

    def __init__(self, executor: Executor, caller: Caller) -> None:
        """Take who asks, and the transaction in which."""
        self._executor = executor
        self._caller = caller
        self.environment = Environment(caller.name, datetime.now(UTC))

    def settle(self) -> None:
        """Read the rules now: what this call writes itself then gives its caller no rights."""
        if not self._caller.is_root:
            _ = self._own

    def visible(self, access: Access = Access.READ) -> Visibility:
        """The rows that an access is permitted to."""
        if self._caller.is_root:
            return AllRows()
        own = self._own
        return VisibleRows(own.objects[access], self.environment, own.public_steps)

    @cached_property
    def _own(self) -> _OwnRules:
        stored = self._caller.stored_rules
        if stored is None:
            given = {"user": self._caller.name}
            stored = self._executor.scalar(_of_one_user(), given) or ""
        found = _read(stored)
        for what, message in found.faults:
            # Checked when stored; one that this version cannot read allows nothing.
            log.warning("rule %r is left out: %s", what, message)
        return found

    def permitted(self, access: Access, entity: str, ids: Collection[int]) -> set[int]:
        """Those of the ids that exist and are permitted."""
        if self._caller.is_root:
            return among(self._executor, AllRows(), entity, ids)
        if not ids:
            return set()
        told = {**self.environment.told(), **asked(self._executor, ids)}
        return set(self._executor.execute(self._question(access, entity), told).scalars())

    def _question(self, access: Access, entity: str) -> Select[int]:
        """The statement for the ids that are permitted; making it takes longer than asking."""
        own, executor = self._own, self._executor
        key = (access, entity, dialect_of(executor))
        if key not in own.questions:
            visible = VisibleRows(own.objects[access], OPEN, own.public_steps)
            own.questions[key] = _those(visible, entity, lambda id: is_asked(executor, id))
        return own.questions[key]

    def allows(self, access: Access, entity: str, id: int) -> bool:
        """Whether the rules allow an access to one object, those that hang on it aside.

        One that is not there is allowed to nobody but root; what everybody reads is not looked up.
        """
        if self._caller.is_root:
            return True
        visible = self.visible(access)
        if access is Access.READ and visible(Tables(Aliases()).all_of(entities()[entity])) is None:
            return True
        return bool(self.permitted(access, entity, [id]))

    def require(
        self,
        access: Access,
        entity: str,
        ids: Collection[int],
        *,
        implied_by: Access | None = None,
    ) -> None:
        """Check that an access to each of these objects is permitted.

        For CREATE, insert and flush first: the rule is tested on what was stored.

        Raises:
            NotAuthorizedError: ``UPDATE access to this Dataset is not allowed.``; with
                ``implied_by``: ``DELETE access implied by UPDATE to this …``.
        """
        if not self._caller.is_root and self.permitted(access, entity, ids) != set(ids):
            raise _refused(access, entity, implied_by)

    def require_update(self, entity: str, id: int, fields: Collection[str]) -> None:
        """Check UPDATE of one object, or of every one of the given fields (wire names) of it.

        Raises:
            NotAuthorizedError: Neither the object nor all of these fields may be updated.
        """
        if self._caller.is_root or self.permitted(Access.UPDATE, entity, [id]):
            return
        if not fields or not all(self._may_update(entity, id, name) for name in fields):
            raise _refused(Access.UPDATE, entity, None)

    def _may_update(self, entity: str, id: int, name: str) -> bool:
        found = tuple(
            one.definition
            for one in self._own.rules
            if Access.UPDATE.value in one.flags and one.definition.attribute == name
        )
        return bool(among(self._executor, VisibleRows(found, self.environment), entity, [id]))

    def require_delete(self, entity: str, ids: Collection[int]) -> None:
        """Check DELETE of these objects and of everything that is deleted along with them.

        Raises:
            NotAuthorizedError: Names the entity of an object that may not be deleted.
        """
        if self._caller.is_root:
            return
        seen: dict[str, set[int]] = {}
        waiting = [(entity, set(ids))]
        while waiting:
            name, found = waiting.pop(0)
            fresh = found - seen.setdefault(name, set())
            if not fresh:
                continue
            self.require(Access.DELETE, name, fresh)
            seen[name] |= fresh
            waiting.extend(self._parts(name, fresh))

    def _parts(self, entity: str, ids: set[int]) -> Iterator[tuple[str, set[int]]]:
        for relation in entities()[entity].to_many():
            table = entities()[relation.target].table
            owned = is_listed(self._executor, table.c[relation.column], ids)
            found = self._executor.execute(select(table.c.id).where(owned)).scalars()
            yield relation.target, set(found)


def among(executor: Executor, visible: Visibility, entity: str, ids: Collection[int]) -> set[int]:
    """Those of the ids that exist and are visible."""
    if not ids:
        return set()
    sql = _those(visible, entity, lambda id: is_listed(executor, id, ids))
    return set(executor.execute(sql).scalars())


def _those(
    visible: Visibility, entity: str, listed: Callable[[ColumnElement[int]], ColumnElement[bool]]
) -> Select[int]:
    """The ids that are listed, exist and are visible."""
    tables = Tables(Aliases())
    source = tables.all_of(entities()[entity])
    sql = select(source.id).where(listed(source.id))
    condition = visible(source)
    if condition is not None:
        sql = sql.where(condition)
    return finish(sql, tables)


def _refused(access: Access, entity: str, implied_by: Access | None) -> NotAuthorizedError:
    implied = "" if implied_by is None else f" implied by {implied_by.name}"
    return NotAuthorizedError(f"{access.name} access{implied} to this {entity} is not allowed.")


def check_rule(what: str, crud_flags: str) -> tuple[str, str]:
    """Check the text of a rule; call it whenever a Rule is created or updated.

    Returns:
        ``what`` trimmed and the flags trimmed, in upper case: so they are to be stored.

    Raises:
        BadRequestError: ICAT's BAD_PARAMETER: a wrong query, a wrong flag.
    """
    text, flags = what.strip(), crud_flags.strip().upper()
    letters = [access.value for access in Access]
    for flag in flags:
        if flag not in letters:
            raise BadRequestError(f"Invalid value in crudFlags: {flag} is not one of CRUD")
    if not flags or len(set(flags)) < len(flags):
        raise BadRequestError(f"Invalid value in crudFlags: {crud_flags!r}")
    if len(text) > MAX_LENGTH:
        raise BadRequestError(f"Rule: what cannot have length > {MAX_LENGTH}")
    if SEPARATOR in text:
        raise BadRequestError(f"Rule: what cannot have the character {SEPARATOR!r}")
    if read(text).attribute is not None and flags != Access.UPDATE.value:
        message = "Attribute selection in rules is only allowed for Update"
        raise BadRequestError(message)
    return text, flags


def check_public_step(origin: str, field: str) -> None:
    """Check a public step; call it whenever a PublicStep is created or updated.

    Raises:
        BadRequestError: There is no such entity, or it has no such relation.
    """
    if origin not in entities():
        raise BadRequestError(f"{origin} is not an ICAT entity")
    if field not in entities()[origin].relations:
        message = f"Field value {field} does not implement a relationship from {origin}"
        raise BadRequestError(message)
