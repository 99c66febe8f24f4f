"""Create, update and delete entities, as the rules allow; each call is one transaction.

The caller of these functions gives the transaction and commits it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import groupby

from sqlalchemy import Connection, RowMapping, delete, select, update
from sqlalchemy.exc import IntegrityError

from catalog import clashes, parameters
from catalog.authz.caller import Caller
from catalog.authz.rules import Access, Rights, check_public_step, check_rule
from catalog.events import outbox
from catalog.items import Change, Creation, Item, Values, about
from catalog.model import Base
from catalog.query.schema import Entity, Relation
from catalog.storing import store
from catalog.validation import check_change, check_creation, constraints
from ijp.errors import (
    NotAuthorizedError,
    NotFoundError,
    PortalError,
    ValidationFailedError,
)

_CHUNK = 1000

_GRANTS = frozenset({"PublicStep", "Rule", "UserGroup"})
"""What gives rights: nobody makes these along with others without a right to them."""


def write(
    connection: Connection, caller: Caller, items: Sequence[Item], *, is_all: bool = False
) -> list[int]:
    """Create and change entities in the order given.

    Neighbours that only create entities of one kind go to the database together.

    Args:
        is_all: The transaction has nothing else, and ends with any error.

    Returns:
        The ids of the new entities, in order; those of their children are not among them.

    Raises:
        PortalError: With the ``offset`` of the member of the request that it is about.
        RefusedError: Only with ``is_all``: the database refused an entity, and cannot be asked
            why in this transaction.
    """
    writer = _Writer(connection, caller, is_alone=is_all and _is_alone(items))
    ids: list[int] = []
    for _, members in groupby(items, key=_batch):
        neighbours = list(members)
        for change in (change for item in neighbours for change in item.changes):
            with about(change.offset):
                writer.change(change)
        ids += writer.create([item.creation for item in neighbours if item.creation])
    return ids


def _is_alone(items: Sequence[Item]) -> bool:
    """A single entity is created, and nothing else."""
    if len(items) != 1 or items[0].changes:
        return False
    creation = items[0].creation
    return creation is not None and not creation.children


class RefusedError(Exception):
    """The database refused a new entity; why is to be asked when the transaction is over."""

    def __init__(self, entity: Entity, creations: Sequence[Creation]) -> None:
        super().__init__(entity.name)
        self._entity = entity
        self._creations = creations

    def explained(self, connection: Connection) -> PortalError:
        """What was wrong, by what is in the database now."""
        return clashes.explain(connection, self._entity, self._creations)


def _batch(item: Item) -> object:
    """Neighbours with the same value can be created together."""
    return item.creation.entity.name if item.creation and not item.changes else id(item)


def create_beans(
    connection: Connection, caller: Caller, creations: Sequence[Creation]
) -> list[int]:
    """Create entities with their children as ICAT's SOAP interface does.

    CREATE must be allowed for the entities that are given; their children come along, but for
    those that give rights. Of what is wrong, a key that is there already is told first.

    Returns:
        The ids of the entities that are given, in order.

    Raises:
        PortalError: With the ``offset`` of the member of the request that it is about.
    """
    writer = _Writer(connection, caller, as_beans=True)
    ids: list[int] = []
    for _, neighbours in groupby(creations, key=lambda one: one.entity.name):
        ids += writer.create(list(neighbours))
    return ids


def update_bean(connection: Connection, caller: Caller, change: Change) -> None:
    """Give an entity new values.

    Raises:
        PortalError: It cannot have them, or is not there, or UPDATE is not allowed.
    """
    _Writer(connection, caller, as_beans=True).change(change)


def may_create(connection: Connection, caller: Caller, creation: Creation) -> bool:
    """Whether the rules allow to create an entity; nothing is stored.

    Raises:
        PortalError: It could not be stored, whatever the rules say.
    """
    with connection.begin_nested() as attempt:
        try:
            _Writer(connection, caller, as_beans=True).create([creation])
        except NotAuthorizedError:
            return False
        finally:
            attempt.rollback()
    return True


def remove(connection: Connection, caller: Caller, targets: Sequence[tuple[Entity, int]]) -> None:
    """Delete entities with all that hangs on them.

    Raises:
        NotFoundError: One of them is not there.
        NotAuthorizedError: One of them, or something that hangs on it, may not be deleted.
    """
    rights = Rights(connection, caller)
    offsets: dict[str, dict[int, int]] = {}
    entities: dict[str, Entity] = {}
    for offset, (entity, id) in enumerate(targets):
        entities[entity.name] = entity
        offsets.setdefault(entity.name, {}).setdefault(id, offset)
    for table in Base.metadata.sorted_tables:
        # Owners before what they own, as the database deletes: so two never wait for each other.
        for name, members in offsets.items():
            if entities[name].table is table:
                _lock(connection, entities[name], members)
    for name, members in offsets.items():
        _require_delete(rights, name, members)
    for name, members in offsets.items():
        table = entities[name].table
        for ids in _chunks(list(members)):
            connection.execute(delete(table).where(table.c.id.in_(ids)))


def _lock(connection: Connection, entity: Entity, offsets: dict[int, int]) -> None:
    """Let nobody else change or delete these entities, all of which must be there."""
    there: set[int] = set()
    id = entity.table.c.id
    for ids in _chunks(sorted(offsets)):
        found = select(id).where(id.in_(ids)).order_by(id).with_for_update()
        there.update(connection.scalars(found))
    for one, offset in offsets.items():
        with about(offset):
            if one not in there:
                raise _not_found(entity, one)


def _require_delete(rights: Rights, entity_name: str, offsets: dict[int, int]) -> None:
    try:
        rights.require_delete(entity_name, list(offsets))
    except NotAuthorizedError:
        for id, offset in offsets.items():
            with about(offset):
                rights.require_delete(entity_name, [id])
        raise


def _not_found(entity: Entity, id: int) -> NotFoundError:
    return NotFoundError(f"{entity.name}[id:{id}] not found.")


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


class _Writer:
    """Writes for one caller, all with the same time stamp."""

    def __init__(
        self,
        connection: Connection,
        caller: Caller,
        *,
        as_beans: bool = False,
        is_alone: bool = False,
    ) -> None:
        """Take who writes, and on what.

        Args:
            as_beans: For the SOAP interface: see ``create_beans``.
            is_alone: One entity is created, and a refusal ends the transaction: no savepoint is
                needed, which would be two exchanges with the database.
        """
        self._as_beans = as_beans
        self._is_alone = is_alone
        self._caller_name = caller.name
        self._connection = connection
        self._rights = Rights(connection, caller)
        self._rights.settle()
        now = datetime.now(UTC)
        # the wire has milliseconds: what is read back equals what is stored
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._mod = {"mod_id": caller.name, "mod_time": now}
        self._stamps = {"create_id": caller.name, "create_time": now, **self._mod}

    def create(self, creations: list[Creation]) -> list[int]:
        """Store new entities of one kind with their children, then ask whether that is allowed."""
        self._check_values(creations)
        made: dict[str, dict[int, int]] = {}
        self._insert(creations, made)
        told = made
        if self._as_beans:
            given = {creation.id: creation.offset for creation in creations}
            told = {creation.entity.name: given for creation in creations}
            made = {name: offsets for name, offsets in made.items() if name in _GRANTS} | told
        for name, offsets in made.items():
            self._require_create(name, offsets)
        for name, offsets in told.items():
            self._note("C", name, offsets)
        return [creation.id for creation in creations]

    def _check_values(self, creations: list[Creation]) -> None:
        for number, creation in enumerate(creations, start=1):
            try:
                check_creation(creation)
            except ValidationFailedError as invalid:
                known = creations[:number] if self._as_beans else []
                clash = clashes.of_key(self._connection, creation.entity, known)
                raise clash or invalid from None

    def _require_create(self, entity_name: str, offsets: dict[int, int]) -> None:
        permitted = self._rights.permitted(Access.CREATE, entity_name, list(offsets))
        for id, offset in offsets.items():
            if id not in permitted:
                with about(offset):
                    self._rights.require(Access.CREATE, entity_name, [id])

    def _insert(self, creations: list[Creation], made: dict[str, dict[int, int]]) -> None:
        """Store entities of one kind, then their children; note ids and offsets in ``made``."""
        if not creations:
            return
        entity = creations[0].entity
        self._check_new(entity, creations)
        empty = {**constraints(entity).defaults, **self._stamps}
        rows = [creation.values for creation in creations]
        try:
            with nullcontext() if self._is_alone else self._connection.begin_nested():
                ids = store(self._connection, entity, rows, empty)
        except IntegrityError as error:
            if self._is_alone:
                raise RefusedError(entity, creations) from error
            raise clashes.explain(self._connection, entity, creations) from error
        offsets = made.setdefault(entity.name, {})
        for creation, id in zip(creations, ids, strict=True):
            creation.id = id
            offsets[id] = creation.offset
        for children in _by_kind(creations):
            self._insert(children, made)

    def _check_new(self, entity: Entity, creations: list[Creation]) -> None:
        if parameters.is_parameter(entity.name):
            types = parameters.ParameterTypes(
                self._connection, (one.values.get("type_id") for one in creations)
            )
            for one in creations:
                with about(one.offset):
                    types.check_applicable(entity.name, one.values)
                    types.check_value(one.values)
        for one in creations if entity.name in ("Rule", "PublicStep") else ():
            with about(one.offset):
                _check_rules(entity, one.values, one.values)

    def change(self, change: Change) -> None:
        """Change an entity and store its new children."""
        entity, table = change.entity, change.entity.table
        statement = select(table).where(table.c.id == change.id).with_for_update()
        stored = self._connection.execute(statement).mappings().first()
        if stored is None:
            raise _not_found(entity, change.id)
        self._rights.require_update(entity.name, change.id, change.fields)
        moved = _moved(entity, stored, change.values)
        if moved:
            self._implied(Access.DELETE, change)
        check_change(change)
        self._store(change, {**stored, **change.values})
        if moved:
            self._implied(Access.CREATE, change)
        self._note("U", entity.name, [change.id])
        self._add_children(change)

    def _note(self, operation: str, entity_name: str, ids: Iterable[int]) -> None:
        outbox.note(self._connection, self._caller_name, operation, entity_name, ids)

    def _implied(self, access: Access, change: Change) -> None:
        self._rights.require(access, change.entity.name, [change.id], implied_by=Access.UPDATE)

    def _store(self, change: Change, row: Values) -> None:
        entity, table = change.entity, change.entity.table
        if parameters.is_parameter(entity.name):
            parameters.ParameterTypes(self._connection, [row["type_id"]]).check_value(row)
        if entity.name in ("Rule", "PublicStep"):
            _check_rules(entity, row, change.values)
        statement = update(table).where(table.c.id == change.id)
        try:
            with self._connection.begin_nested():
                self._connection.execute(statement, {**self._mod, **change.values})
        except IntegrityError as error:
            raise self._refusal(change, row) from error

    def _refusal(self, change: Change, row: Values) -> PortalError:
        return clashes.explain_change(
            self._connection, change.entity, change.id, row, change.offset
        )

    def _add_children(self, change: Change) -> None:
        parent = Creation(change.entity, {}, change.offset, change.children, change.id)
        for children in _by_kind([parent]):
            self.create(children)


def _by_kind(parents: list[Creation]) -> list[list[Creation]]:
    """The children of stored entities, told their parents, those of one kind together."""
    found: dict[str, list[Creation]] = {}
    for parent in parents:
        for relation, child in parent.children:
            child.values[relation.column] = parent.id
            found.setdefault(child.entity.name, []).append(child)
    return list(found.values())


def _moved(entity: Entity, stored: RowMapping, values: Values) -> list[Relation]:
    """The to-one relations of the unique key that are about to lead elsewhere."""
    key = clashes.key_columns(entity)
    return [
        relation
        for relation in entity.to_one()
        if relation.column in key
        and relation.column in values
        and values[relation.column] != stored[relation.column]
    ]


def _check_rules(entity: Entity, row: Values, values: Values) -> None:
    """Check what authorization reads, and write what it wants stored into ``values``."""
    if entity.name == "Rule":
        what, flags = check_rule(str(row["what"]), str(row["crud_flags"]))
        values.update(what=what, crud_flags=flags)
    else:
        check_public_step(str(row["origin"]), str(row["field"]))
