"""Who may do what: rules and public steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.user import Grouping


class Rule(Base):
    """What the members of a group may do with which objects; without a group, what everyone may.

    ``crud_flags`` is made of the letters C, R, U and D, ``what`` is a query that gives the objects.
    """

    __tablename__ = "rule_"

    crud_flags: Mapped[str] = mapped_column(String(4))
    what: Mapped[str] = mapped_column(String(1024))
    grouping_id: Mapped[int | None] = mapped_column(
        ForeignKey("grouping.id", ondelete="CASCADE"), index=True
    )
    grouping: Mapped["Grouping | None"] = relationship(
        back_populates="rules", foreign_keys=[grouping_id]
    )


class PublicStep(Base):
    """A relation that everyone may follow in INCLUDE, without a look at each object."""

    __tablename__ = "public_step"
    __table_args__ = (UniqueConstraint("origin", "field"),)
    __key__ = ("origin", "field")

    field: Mapped[str] = mapped_column(String(32))
    origin: Mapped[str] = mapped_column(String(32))
