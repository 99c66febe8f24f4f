"""Datasets and what they were measured with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.datafile import Datafile
    from catalog.model.facility import DatasetType, Instrument, Technique
    from catalog.model.investigation import Investigation, Sample
    from catalog.model.parameter import DatasetParameter
    from catalog.model.provenance import DataCollectionDataset


class Dataset(Base):
    """A group of datafiles measured or produced together inside one investigation."""

    __tablename__ = "dataset"
    __table_args__ = (
        UniqueConstraint("investigation_id", "name"),
        # the datasets of a type in the order of their ids: a page of the search for datasets
        Index("ix_dataset_type_id", "type_id", "id"),
        # the newest first
        Index("ix_dataset_create_time", "create_time", "id"),
    )
    __key__ = ("investigation", "name")

    complete: Mapped[bool] = mapped_column(Boolean, default=False)
    description: Mapped[str | None] = mapped_column(String(255))
    doi: Mapped[str | None] = mapped_column(String(255))
    end_date: Mapped[datetime | None]
    file_count: Mapped[int | None] = mapped_column(BigInteger, default=0)
    file_size: Mapped[int | None] = mapped_column(BigInteger, default=0)
    location: Mapped[str | None] = mapped_column(String(511))
    name: Mapped[str] = mapped_column(String(255))
    start_date: Mapped[datetime | None]
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE")
    )
    sample_id: Mapped[int | None] = mapped_column(
        ForeignKey("sample.id", ondelete="CASCADE"), index=True
    )
    type_id: Mapped[int] = mapped_column(ForeignKey("dataset_type.id", ondelete="CASCADE"))
    investigation: Mapped["Investigation"] = relationship(
        back_populates="datasets", foreign_keys=[investigation_id]
    )
    sample: Mapped["Sample | None"] = relationship(
        back_populates="datasets", foreign_keys=[sample_id]
    )
    type: Mapped["DatasetType"] = relationship(back_populates="datasets", foreign_keys=[type_id])
    data_collection_datasets: Mapped[list["DataCollectionDataset"]] = relationship(
        back_populates="dataset",
        foreign_keys="DataCollectionDataset.dataset_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    datafiles: Mapped[list["Datafile"]] = relationship(
        back_populates="dataset",
        foreign_keys="Datafile.dataset_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    dataset_instruments: Mapped[list["DatasetInstrument"]] = relationship(
        back_populates="dataset",
        foreign_keys="DatasetInstrument.dataset_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    dataset_techniques: Mapped[list["DatasetTechnique"]] = relationship(
        back_populates="dataset",
        foreign_keys="DatasetTechnique.dataset_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    parameters: Mapped[list["DatasetParameter"]] = relationship(
        back_populates="dataset",
        foreign_keys="DatasetParameter.dataset_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DatasetInstrument(Base):
    """Link table: instrument on which the data of a dataset was taken."""

    __tablename__ = "dataset_instrument"
    __table_args__ = (UniqueConstraint("dataset_id", "instrument_id"),)
    __key__ = ("dataset", "instrument")

    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"))
    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), index=True
    )
    dataset: Mapped["Dataset"] = relationship(
        back_populates="dataset_instruments", foreign_keys=[dataset_id]
    )
    instrument: Mapped["Instrument"] = relationship(
        back_populates="dataset_instruments", foreign_keys=[instrument_id]
    )


class DatasetTechnique(Base):
    """Link table: experimental technique used for a dataset."""

    __tablename__ = "dataset_technique"
    __table_args__ = (UniqueConstraint("dataset_id", "technique_id"),)
    __key__ = ("dataset", "technique")

    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"))
    technique_id: Mapped[int] = mapped_column(
        ForeignKey("technique.id", ondelete="CASCADE"), index=True
    )
    dataset: Mapped["Dataset"] = relationship(
        back_populates="dataset_techniques", foreign_keys=[dataset_id]
    )
    technique: Mapped["Technique"] = relationship(
        back_populates="dataset_techniques", foreign_keys=[technique_id]
    )
