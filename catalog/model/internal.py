"""The catalog service's own tables, no entities: sessions, passwords, log-ins, change events."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, String, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from catalog.model.base import Base, BigId, UtcDateTime


class Internal(DeclarativeBase):
    """A table that is not on the wire."""

    metadata = Base.metadata
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}


class UserSession(Internal):
    """A log-in that lasts until ``expires``; its id is with the user alone, here is the hash."""

    __tablename__ = "user_session"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_name: Mapped[str] = mapped_column(String(255), index=True)
    expires: Mapped[datetime] = mapped_column(index=True)


class Password(Internal):
    """A user of the authenticator ``db``; nobody can log in as one without a hash."""

    __tablename__ = "password"

    user_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    hash: Mapped[str | None] = mapped_column(String(255))
    is_disabled: Mapped[bool] = mapped_column(default=False, server_default=false())


class LoginAttempts(Internal):
    """How often in a row an account was tried in vain from an address, and when it was let in.

    In place of the account or of the address ``*`` stands for all of them together.
    """

    __tablename__ = "login_attempts"

    account: Mapped[str] = mapped_column(String(255), primary_key=True)
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_failure: Mapped[datetime] = mapped_column(index=True)
    last_success: Mapped[datetime | None]


class ChangeEvent(Internal):
    """An entity was created (``C``) or updated (``U``), and not every webhook knows of it yet.

    Events of one entity have ids in the order in which it changed.
    """

    __tablename__ = "change_event"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uid: Mapped[str] = mapped_column(String(36))
    entity: Mapped[str] = mapped_column(String(40))
    entity_id: Mapped[int] = mapped_column(BigId)
    operation: Mapped[str] = mapped_column(String(1))
    user_name: Mapped[str] = mapped_column(String(255))
    time: Mapped[datetime]


class ChangeDelivery(Internal):
    """A webhook knows of an event."""

    __tablename__ = "change_delivery"

    event_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("change_event.id", ondelete="CASCADE"), primary_key=True
    )
    webhook: Mapped[str] = mapped_column(String(64), primary_key=True)
