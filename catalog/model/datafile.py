"""Datafiles and the relations between them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.dataset import Dataset
    from catalog.model.facility import DatafileFormat
    from catalog.model.parameter import DatafileParameter
    from catalog.model.provenance import DataCollectionDatafile


class Datafile(Base):
    """One file with data; always inside exactly one dataset."""

    __tablename__ = "datafile"
    __table_args__ = (UniqueConstraint("dataset_id", "name"),)
    __key__ = ("dataset", "name")

    checksum: Mapped[str | None] = mapped_column(String(255))
    datafile_create_time: Mapped[datetime | None]
    datafile_mod_time: Mapped[datetime | None]
    description: Mapped[str | None] = mapped_column(String(255))
    doi: Mapped[str | None] = mapped_column(String(255))
    file_size: Mapped[int | None] = mapped_column(BigInteger)
    location: Mapped[str | None] = mapped_column(String(511))
    name: Mapped[str] = mapped_column(String(255))
    datafile_format_id: Mapped[int | None] = mapped_column(
        ForeignKey("datafile_format.id", ondelete="CASCADE"), index=True
    )
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"))
    datafile_format: Mapped["DatafileFormat | None"] = relationship(
        back_populates="datafiles", foreign_keys=[datafile_format_id]
    )
    dataset: Mapped["Dataset"] = relationship(back_populates="datafiles", foreign_keys=[dataset_id])
    data_collection_datafiles: Mapped[list["DataCollectionDatafile"]] = relationship(
        back_populates="datafile",
        foreign_keys="DataCollectionDatafile.datafile_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    dest_datafiles: Mapped[list["RelatedDatafile"]] = relationship(
        back_populates="dest_datafile",
        foreign_keys="RelatedDatafile.dest_datafile_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    parameters: Mapped[list["DatafileParameter"]] = relationship(
        back_populates="datafile",
        foreign_keys="DatafileParameter.datafile_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    source_datafiles: Mapped[list["RelatedDatafile"]] = relationship(
        back_populates="source_datafile",
        foreign_keys="RelatedDatafile.source_datafile_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class RelatedDatafile(Base):
    """Directed, named relation between two datafiles (provenance)."""

    __tablename__ = "related_datafile"
    __table_args__ = (UniqueConstraint("source_datafile_id", "dest_datafile_id"),)
    __key__ = ("source_datafile", "dest_datafile")

    relation: Mapped[str] = mapped_column(String(255))
    dest_datafile_id: Mapped[int] = mapped_column(
        ForeignKey("datafile.id", ondelete="CASCADE"), index=True
    )
    source_datafile_id: Mapped[int] = mapped_column(ForeignKey("datafile.id", ondelete="CASCADE"))
    dest_datafile: Mapped["Datafile"] = relationship(
        back_populates="dest_datafiles", foreign_keys=[dest_datafile_id]
    )
    source_datafile: Mapped["Datafile"] = relationship(
        back_populates="source_datafiles", foreign_keys=[source_datafile_id]
    )
