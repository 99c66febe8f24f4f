"""Jobs that were submitted outside of the portal: what batch systems list anyway, to look at.

The dispatcher stores what each look at a batch system has shown; pages read the database. Names are
whatever their owners wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from marshmallow import RAISE, Schema, fields, post_load, validate
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from batch.engine import BatchEngine, Capability, EngineState, ForeignJob
from portal.model import ExternalJob
from portal.states import State
from servicekit.database import insert_or_update, writing

MOST_SHOWN = 200
_STATES = {
    EngineState.QUEUED: State.QUEUED,
    EngineState.HELD: State.HELD,
    EngineState.RUNNING: State.EXECUTING,
    EngineState.SUSPENDED: State.EXECUTING,
    EngineState.UNKNOWN: State.UNKNOWN,
}
_COLUMNS = ("name", "account", "queue", "state", "submitted_at", "started_at", "node")


@dataclass(frozen=True)
class ExternalSettings:
    """What ``[portal.external_jobs]`` says.

    Attributes:
        accounts: By account at the batch system, the portal's user whose jobs they are.
        most: So many are kept of a batch system.
    """

    accounts: Mapping[str, str] = field(default_factory=dict)
    most: int = 1000


class ExternalSchema(Schema):
    """The keys of ``[portal.external_jobs]``."""

    class Meta:
        """Unknown keys are faults."""

        unknown = RAISE

    accounts = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 255)),
        values=fields.String(validate=validate.Length(1, 255)),
        load_default=dict,
    )
    most = fields.Integer(strict=True, load_default=1000, validate=validate.Range(1, 5_000))

    @post_load
    def _made(self, values: dict[str, Any], **_: Any) -> ExternalSettings:
        return ExternalSettings(**values)


class External:
    """Keeps the table for one batch engine."""

    def __init__(
        self, database: Engine, name: str, engine: BatchEngine, settings: ExternalSettings | None
    ) -> None:
        """Keep it as the settings say; without settings nothing is done."""
        self._database = database
        self._name = name
        self._engine = engine
        self._settings = settings

    def look(self) -> None:
        """Store what the last look at the batch system has shown; no call where it was looked.

        Raises:
            EngineError: It does not answer.
        """
        if self._settings is None or Capability.OTHERS not in self._engine.capabilities:
            return
        ongoing = (one for one in self._engine.others() if one.status.state in _STATES)
        found = {row["native_id"]: row for row in map(self._row, ongoing)}
        self._store(dict(list(found.items())[: self._settings.most]))

    def _row(self, one: ForeignJob) -> dict[str, Any]:
        return {
            "engine": self._name,
            "native_id": _text(one.native_id, 255),
            "name": _text(one.name, 255),
            "account": _text(one.owner, 255),
            "queue": _text(one.queue, 255),
            "state": str(_STATES[one.status.state]),
            "submitted_at": one.submitted,
            "started_at": one.status.started,
            "node": _text(one.status.node or "", 255),
        }

    def _store(self, rows: Mapping[str, dict[str, Any]]) -> None:
        table = ExternalJob.__table__
        mine = table.c.engine == self._name
        with self._database.connect() as connection:
            found = connection.execute(select(table).where(mine)).mappings()
            there = {row["native_id"]: dict(row) for row in found}
        changed = [row for id, row in rows.items() if there.get(id) != row]
        gone = [id for id in there if id not in rows]
        if not changed and not gone:
            return
        with writing(self._database).begin() as connection:
            theirs = (ExternalJob.engine == self._name, ExternalJob.native_id.in_(gone))
            connection.execute(delete(ExternalJob).where(*theirs))
            if changed:
                key = ("engine", "native_id")
                statement = insert_or_update(connection, table, key, _COLUMNS)
                connection.execute(statement, changed)


def _text(text: str, most: int) -> str:
    """In one line, without what moves a terminal's cursor, and not too long."""
    return "".join(one if one.isprintable() else " " for one in text).strip()[:most]


@dataclass(frozen=True)
class ExternalRecord:
    """A job that was submitted outside of the portal, to look at."""

    engine: str
    native_id: str
    name: str
    account: str
    queue: str
    state: State
    submitted_at: datetime | None
    started_at: datetime | None
    node: str
    user_name: str | None


def of_user(
    database: Engine, settings: ExternalSettings | None, user_name: str, *, everybody: bool
) -> list[ExternalRecord]:
    """Those of a user's accounts, or all; the newest first, a bounded number.

    Args:
        everybody: The caller has seen to it that this is an administrator.
    """
    if settings is None:
        return []
    query = select(ExternalJob)
    if not everybody:
        query = query.where(ExternalJob.account.in_(_accounts(settings, user_name)))
    order = (ExternalJob.submitted_at.desc(), ExternalJob.engine, ExternalJob.native_id.desc())
    with Session(database) as transaction:
        rows: Iterable[ExternalJob] = transaction.scalars(query.order_by(*order).limit(MOST_SHOWN))
        return [
            ExternalRecord(
                engine=row.engine,
                native_id=row.native_id,
                name=row.name,
                account=row.account,
                queue=row.queue,
                state=State(row.state),
                submitted_at=row.submitted_at,
                started_at=row.started_at,
                node=row.node,
                user_name=settings.accounts.get(row.account),
            )
            for row in rows
        ]


def _accounts(settings: ExternalSettings, user_name: str) -> list[str]:
    return [account for account, user in settings.accounts.items() if user == user_name]
