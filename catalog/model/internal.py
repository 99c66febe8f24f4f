"""The catalog service's own tables, which are no entities: sessions, passwords, failed log-ins."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from catalog.model.base import Base, UtcDateTime


class Internal(DeclarativeBase):
    """A table that is not on the wire."""

    metadata = Base.metadata
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}


class UserSession(Internal):
    """A log-in that lasts until ``expires``; its id is with the user alone, here is the hash."""

    __tablename__ = "user_session"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_name: Mapped[str] = mapped_column(String(255))
    expires: Mapped[datetime] = mapped_column(index=True)


class Password(Internal):
    """A user of the authenticator ``db``; without a hash nobody can log in as this user."""

    __tablename__ = "password"

    user_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    hash: Mapped[str | None] = mapped_column(String(255))


class FailedLogin(Internal):
    """How often in a row an account was tried in vain from an address, and when last."""

    __tablename__ = "failed_login"

    account: Mapped[str] = mapped_column(String(255), primary_key=True)
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_failure: Mapped[datetime] = mapped_column(index=True)
