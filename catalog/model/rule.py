"""Who may do what: rules and public steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.user import Grouping


class Rule(Base):
    """Authorization rule: which objects (what) a group, or everyone when there is no group, may Create/Read/Update/Delete."""

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
    """Allows an INCLUDE step (origin entity, relation name) to everyone without per-object read checks."""

    __tablename__ = "public_step"
    __table_args__ = (UniqueConstraint("origin", "field"),)
    __key__ = ("origin", "field")

    field: Mapped[str] = mapped_column(String(32))
    origin: Mapped[str] = mapped_column(String(32))
