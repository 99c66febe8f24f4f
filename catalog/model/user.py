"""Users and the groups they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.facility import InstrumentScientist
    from catalog.model.investigation import InvestigationGroup, InvestigationUser, Study
    from catalog.model.publication import DataPublicationUser
    from catalog.model.rule import Rule


class User(Base):
    """A person or account, by the name that the authenticator gives, such as ``simple/root``."""

    __tablename__ = "user_"
    __table_args__ = (UniqueConstraint("name"),)
    __key__ = ("name",)

    affiliation: Mapped[str | None] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(255))
    family_name: Mapped[str | None] = mapped_column(String(255))
    full_name: Mapped[str | None] = mapped_column(String(255))
    given_name: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    orcid_id: Mapped[str | None] = mapped_column(String(255))
    data_publication_users: Mapped[list["DataPublicationUser"]] = relationship(
        back_populates="user",
        foreign_keys="DataPublicationUser.user_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    instrument_scientists: Mapped[list["InstrumentScientist"]] = relationship(
        back_populates="user",
        foreign_keys="InstrumentScientist.user_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_users: Mapped[list["InvestigationUser"]] = relationship(
        back_populates="user",
        foreign_keys="InvestigationUser.user_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    studies: Mapped[list["Study"]] = relationship(
        back_populates="user",
        foreign_keys="Study.user_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    user_groups: Mapped[list["UserGroup"]] = relationship(
        back_populates="user",
        foreign_keys="UserGroup.user_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Grouping(Base):
    """A named set of users, used by authorization rules and by investigations."""

    __tablename__ = "grouping"
    __table_args__ = (UniqueConstraint("name"),)
    __key__ = ("name",)

    name: Mapped[str] = mapped_column(String(255))
    investigation_groups: Mapped[list["InvestigationGroup"]] = relationship(
        back_populates="grouping",
        foreign_keys="InvestigationGroup.grouping_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    rules: Mapped[list["Rule"]] = relationship(
        back_populates="grouping",
        foreign_keys="Rule.grouping_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    user_groups: Mapped[list["UserGroup"]] = relationship(
        back_populates="grouping",
        foreign_keys="UserGroup.grouping_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class UserGroup(Base):
    """Link table: membership of a user in a group."""

    __tablename__ = "user_group"
    __table_args__ = (UniqueConstraint("user_id", "grouping_id"),)
    __key__ = ("user", "grouping")

    grouping_id: Mapped[int] = mapped_column(
        ForeignKey("grouping.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("user_.id", ondelete="CASCADE"))
    grouping: Mapped["Grouping"] = relationship(
        back_populates="user_groups", foreign_keys=[grouping_id]
    )
    user: Mapped["User"] = relationship(back_populates="user_groups", foreign_keys=[user_id])
