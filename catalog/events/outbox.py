"""Changes that wait to be told: written with the change itself, removed when all know."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    and_,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    true,
)

from catalog.events.settings import Webhook
from catalog.model.internal import ChangeDelivery, ChangeEvent

_NOTIFIED = "notified"


def noting(engine: Engine, notified: Mapping[str, str]) -> Engine:
    """The same engine; changes made on its connections are noted if they are among these.

    Args:
        notified: By entity, ``C`` for created, ``U`` for updated, ``CU`` for both.
    """
    return engine.execution_options(**{_NOTIFIED: notified})


def note(
    connection: Connection, user_name: str, operation: str, entity_name: str, ids: Iterable[int]
) -> None:
    """Note changes if they are to be told; they are there if the transaction is committed.

    The lock on what changes is held: later changes of an entity have later ids.
    """
    notified = connection.get_execution_options().get(_NOTIFIED, {})
    if operation not in notified.get(entity_name, ""):
        return
    same = {
        "entity": entity_name,
        "operation": operation,
        "user_name": user_name,
        "time": datetime.now(UTC),
    }
    if rows := [{"uid": str(uuid.uuid4()), "entity_id": id, **same} for id in ids]:
        connection.execute(insert(ChangeEvent), rows)


def waiting(
    connection: Connection, webhook: Webhook, after: int, limit: int
) -> Sequence[RowMapping]:
    """Events that a webhook does not know of, by id, from the one after an id on."""
    statement = (
        select(ChangeEvent.__table__)
        .where(ChangeEvent.id > after, _is_wanted(webhook), ~_is_known(webhook))
        .order_by(ChangeEvent.id)
        .limit(limit)
    )
    return connection.execute(statement).mappings().all()


def delivered(connection: Connection, webhook: Webhook, event_id: int) -> None:
    """Note that a webhook knows of an event, if it was not given up meanwhile."""
    found = select(ChangeEvent.id, literal(webhook.name)).where(ChangeEvent.id == event_id)
    connection.execute(insert(ChangeDelivery).from_select(["event_id", "webhook"], found))


def remove_known(
    connection: Connection, webhooks: Sequence[Webhook], ids: Sequence[int] | None = None
) -> None:
    """Remove the events that every webhook knows of that wants to; of all, or of those given."""
    condition = and_(true(), *(or_(~_is_wanted(one), _is_known(one)) for one in webhooks))
    if ids is not None:
        condition = and_(ChangeEvent.id.in_(ids), condition)
    connection.execute(delete(ChangeEvent).where(condition))


def give_up_oldest(connection: Connection, most: int) -> int:
    """Remove the oldest events if there are more than ``most``; how many that were."""
    newest_too_much = (
        select(ChangeEvent.id).order_by(ChangeEvent.id.desc()).offset(most).limit(1)
    ).scalar_subquery()
    return connection.execute(delete(ChangeEvent).where(ChangeEvent.id <= newest_too_much)).rowcount


def _is_wanted(webhook: Webhook) -> ColumnElement[bool]:
    return ChangeEvent.entity.in_(sorted(webhook.entities)) if webhook.entities else true()


def _is_known(webhook: Webhook) -> ColumnElement[bool]:
    return exists().where(
        ChangeDelivery.event_id == ChangeEvent.id, ChangeDelivery.webhook == webhook.name
    )
